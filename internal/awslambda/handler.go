// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// maxReserve is the time before Lambda's deadline that is kept for making the answer: rendering and compressing a long
// replay, and the error when the store did not answer in time. Of a short deadline a quarter is kept.
const maxReserve = 1500 * time.Millisecond

// NewHandler returns what lambda.Start takes to serve h behind an API Gateway HTTP API with payload format 2.0. Its error
// is always nil: whatever goes wrong is an answer in the form of the API. log may be nil.
func NewHandler(h http.Handler, log *slog.Logger) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := adapter{h, log}
	return func(ctx context.Context, ev events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return a.serve(ctx, &ev), nil
	}
}

type adapter struct {
	handler http.Handler
	log     *slog.Logger
}

func (a adapter) serve(ctx context.Context, ev *events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	id := requestID(ctx)
	if id == "" {
		id = ev.RequestContext.RequestID
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(maxReserve, max(0, time.Until(deadline)/4))))
		defer cancel()
	}
	r, err := newRequest(ctx, ev)
	if err != nil {
		a.log.ErrorContext(ctx, "the event is not from an HTTP API with payload format 2.0", slog.Any("error", err))
		return failure(ev.RequestContext.HTTP.Method, id, http.StatusBadRequest, "bad_event", "the event cannot be understood: "+err.Error())
	}
	w := newRecorder()
	whole := a.run(w, r)
	switch {
	case !whole:
		return failure(r.Method, id, http.StatusInternalServerError, "internal", "something went wrong in the server; its log has the reason under this request id")
	case w.status == 0 && ctx.Err() != nil:
		return failure(r.Method, id, http.StatusGatewayTimeout, "storage_timeout", "the object store did not answer in time; try again shortly")
	}
	out, fits := w.response(r.Method)
	if !fits {
		a.log.WarnContext(ctx, "the answer is larger than Lambda can carry", slog.String("path", r.URL.Path), slog.Int64("bytes", w.length),
			slog.String("encoding", w.sent.Get("Content-Encoding")))
		return failure(r.Method, id, http.StatusRequestEntityTooLarge, "answer_too_large", tooLarge(w))
	}
	return out
}

// tooLarge says what to do about an answer that cannot be sent.
func tooLarge(w *recorder) string {
	advice := "ask for a shorter range: an end closer to start"
	if w.sent.Get("Content-Encoding") == "" {
		advice = "send Accept-Encoding: gzip, or " + advice
	}
	return fmt.Sprintf("the answer has %.1f MB, more than the 6 MB that AWS Lambda can send; %s", float64(w.length)/1e6, advice)
}

// run lets the handler write. It reports false when the handler broke off, and what it wrote is not an answer.
func (a adapter) run(w *recorder, r *http.Request) (whole bool) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		whole = false
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			return // the handler has logged why
		}
		a.log.ErrorContext(r.Context(), "panic", slog.String("path", r.URL.Path), slog.String("error", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	}()
	a.handler.ServeHTTP(w, r)
	return true
}

// failure is an error in the form of the API.
func failure(method, id string, status int, code, message string) events.APIGatewayV2HTTPResponse {
	var body struct {
		Error struct {
			Code      string `json:"code"`
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message, body.Error.RequestID = code, message, id
	out := events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Request-Id": oneLine(id),
	}}
	if method != http.MethodHead {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(body) // strings always encode
		out.Body = b.String()
	}
	return out
}

// requestID is the id that Lambda gave to an invocation, empty outside of one.
func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
