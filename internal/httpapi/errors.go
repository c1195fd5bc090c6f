// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Error is an answer other than success: what the client sees, and the cause that only the log sees. [Config.Authorize]
// may return one to choose the status (401, 403, 404); any other error of it is answered with 403.
type Error struct {
	Status  int    // HTTP status
	Code    string // stable word for programs, snake case
	Message string // for people; must not hold credentials or signed URLs
	Err     error  // cause for the log, may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func badRequest(code, format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

func badParameter(name, format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Code: "bad_" + name, Message: name + ": " + fmt.Sprintf(format, args...)}
}

// Fault is what went wrong in the object store behind an error, as far as the client's answer depends on it.
type Fault int

// The faults, and the answer each gets.
const (
	FaultNone    Fault = iota // not an error of the store
	FaultMissing              // there is no such object: 404 segment_not_found
	FaultDenied               // the store refuses our credentials, or the bucket is not there: 502 storage_refused
	FaultBusy                 // the store is overloaded or down for the moment: 503 storage_unavailable
	FaultTimeout              // the store did not answer in time: 504 storage_timeout
	FaultBroken               // the store failed, or answered something that is no S3: 502 storage_error
)

// faultErrors are the answers to a client. They do not tell where the store is.
func faultError(f Fault, cause error) *Error {
	e := &Error{Err: cause}
	switch f {
	case FaultMissing:
		e.Status, e.Code, e.Message = http.StatusNotFound, "segment_not_found", "there is no such segment"
	case FaultDenied:
		e.Status, e.Code, e.Message = http.StatusBadGateway, "storage_refused", "the object store refused the server's request; the operator finds the reason in the server's log"
	case FaultBusy:
		e.Status, e.Code, e.Message = http.StatusServiceUnavailable, "storage_unavailable", "the object store cannot be reached or is overloaded; try again shortly"
	case FaultTimeout:
		e.Status, e.Code, e.Message = http.StatusGatewayTimeout, "storage_timeout", "the object store did not answer in time; try again shortly"
	default:
		e.Status, e.Code, e.Message = http.StatusBadGateway, "storage_error", "the object store failed or gave an answer that makes no sense; the operator finds it in the server's log"
	}
	return e
}

// toError turns whatever the layers below returned into an answer.
func (h *handler) toError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if e := playbackError(err); e != nil {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return faultError(FaultTimeout, err)
	}
	if f := h.cfg.Fault(err); f != FaultNone {
		return faultError(f, err)
	}
	return &Error{Status: http.StatusInternalServerError, Code: "internal", Message: "something went wrong in the server; its log has the reason under this request id", Err: err}
}

type errorBody struct {
	Error struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	} `json:"error"`
}

func writeError(w *response, r *http.Request, e *Error) {
	var body errorBody
	body.Error.Code, body.Error.Message, body.Error.RequestID = e.Code, e.Message, w.id[0]
	b, err := encodeJSON(body)
	if err != nil { // strings always encode
		b = []byte(`{"error":{"code":"internal","message":""}}` + "\n")
	}
	h := w.Header()
	// What a half-built success may have left behind.
	for _, name := range [...]string{"Etag", "Content-Encoding", "Content-Disposition", "Accept-Ranges", "Last-Modified", "Location", "Content-Length", "Trailer"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2; browsers ask nobody for it
	}
	if e.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "2")
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		w.Write(b) // the client may be gone; nothing to do about it
	}
}
