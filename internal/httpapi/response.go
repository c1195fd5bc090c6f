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

// response is the answer to one request and notes what was sent. It keeps the io.ReaderFrom of net/http reachable, by which files go out with sendfile.
type response struct {
	http.ResponseWriter
	began  time.Time
	id     [1]string // as http.Header holds it
	status int       // 0 until the header has been written
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 { // 1xx may precede the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.bytes += n
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
