// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/s3cam/s3cam/internal/s3rule"
)

const (
	maxErrorBody    = 64 << 10
	maxErrorMessage = 300
	maxErrorCode    = 100
)

// readError makes an *Error of an answer and reads its body as far as maxErrorBody.
func (q *call) readError(resp *answer) *Error {
	e := &Error{
		Op: q.op, Key: q.key, Status: resp.StatusCode, from: q.at, signed: q.signedAt,
		RequestID:  s3rule.Clean(resp.Header.Get("X-Amz-Request-Id"), maxErrorCode),
		Date:       serverDate(resp.Header),
		RetryAfter: retryAfter(resp.Header),
		region:     s3rule.Clean(resp.Header.Get("X-Amz-Bucket-Region"), maxErrorCode),
	}
	// What arrived before the connection broke is still worth showing.
	text, _ := io.ReadAll(io.LimitReader(resp, maxErrorBody))
	e.parse(text)
	return e
}

// errorDocument is S3's error answer (API reference, "REST error responses").
type errorDocument struct {
	XMLName   xml.Name
	Code      string
	Message   string
	RequestID string `xml:"RequestId"`
	Region    string
}

// parse takes what it can from an error document; of anything else it keeps the beginning as the message.
func (e *Error) parse(text []byte) {
	var doc errorDocument
	if len(text) == 0 {
		return
	}
	if err := xml.Unmarshal(text, &doc); err != nil || doc.XMLName.Local != "Error" || doc.Code == "" {
		e.Message = s3rule.Clean(string(text), maxErrorMessage)
		return
	}
	e.Code = s3rule.Clean(doc.Code, maxErrorCode)
	e.Message = s3rule.Clean(doc.Message, maxErrorMessage)
	if e.RequestID == "" {
		e.RequestID = s3rule.Clean(doc.RequestID, maxErrorCode)
	}
	if e.region == "" {
		e.region = s3rule.Clean(doc.Region, maxErrorCode)
	}
}

func serverDate(h http.Header) time.Time {
	v := h["Date"]
	if len(v) == 0 || len(h["Age"]) > 0 { // an answer from a cache tells an old time
		return time.Time{}
	}
	t, err := http.ParseTime(v[0])
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// retryAfter reads the delay in seconds; the form with a date is not used by storage servers.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// isErrorDocument reports whether the text of a successful answer is an error document after all.
func isErrorDocument(text []byte) bool {
	text = bytes.TrimLeft(text, "\xef\xbb\xbf \t\r\n")
	if bytes.HasPrefix(text, []byte("<?xml")) {
		_, text, _ = bytes.Cut(text, []byte("?>"))
		text = bytes.TrimLeft(text, " \t\r\n")
	}
	return bytes.HasPrefix(text, []byte("<Error>")) || bytes.HasPrefix(text, []byte("<Error "))
}
