// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"
)

// Sent passes an answer on and notes what was sent of it. It keeps the io.ReaderFrom of net/http reachable, by which files go out with
// sendfile.
type Sent struct {
	http.ResponseWriter
	Status int   // 0 until the header has been written
	Bytes  int64 // of the body
}

func (w *Sent) WriteHeader(status int) {
	if w.Status < 200 { // 1xx may precede the answer
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *Sent) Write(b []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.Bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (w *Sent) ReadFrom(src io.Reader) (int64, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.Bytes += n
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *Sent) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// response is the answer to one request.
type response struct {
	Sent
	began time.Time
	id    [1]string // as http.Header holds it
}

// requestIDs makes ids that are unique over restarts and machines: a random prefix and a counter.
type requestIDs struct {
	prefix string
	n      atomic.Uint64
}

func newRequestIDs() *requestIDs {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return &requestIDs{prefix: hex.EncodeToString(b[:]) + "-"}
}

func (r *requestIDs) next() string {
	var b [32]byte
	return string(strconv.AppendUint(append(b[:0], r.prefix...), r.n.Add(1), 36))
}

// signed matches the query of a presigned URL, which gives access to whoever reads it.
var signed = regexp.MustCompile(`\?[^\s"'<>]*(?i:X-Amz-(?:Signature|Credential|Security-Token))[^\s"'<>]*`)

// redact removes the queries of signed URLs from a text for the log.
func redact(s string) string { return signed.ReplaceAllString(s, "?[redacted]") }
