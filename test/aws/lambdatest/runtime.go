// SPDX-License-Identifier: Apache-2.0

package lambdatest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// invocation is what the answer to invocation/next carries.
type invocation struct {
	id       string
	arn      string
	payload  []byte
	deadline time.Time
	taken    chan struct{} // closed when it was written to the process
}

// poll is one request of invocation/next that waits.
type poll struct{ answer chan *invocation }

// runtimeAPI is the Runtime API of one process. What the process says arrives in the channels.
type runtimeAPI struct {
	server     *http.Server
	polls      chan *poll
	outcomes   chan Result // of the current invocation, once
	initErrors chan Result
	done       chan struct{}
	closeOnce  sync.Once

	mu      sync.Mutex
	current string // id of the invocation that has no answer yet
}

func newRuntimeAPI(ln net.Listener) *runtimeAPI {
	a := &runtimeAPI{polls: make(chan *poll), outcomes: make(chan Result, 1), initErrors: make(chan Result, 1), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", a.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", a.failed)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.initError)
	a.server = &http.Server{Handler: mux}
	go func() { _ = a.server.Serve(ln) }()
	return a
}

func (a *runtimeAPI) close() {
	a.closeOnce.Do(func() {
		close(a.done)
		_ = a.server.Close()
	})
}

// begin makes id the invocation that may be answered.
func (a *runtimeAPI) begin(id string) {
	a.mu.Lock()
	a.current = id
	a.mu.Unlock()
}

// finish says whether id is the current invocation, which then is none any more.
func (a *runtimeAPI) finish(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id == "" || a.current != id {
		return false
	}
	a.current = ""
	return true
}

func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	p := &poll{answer: make(chan *invocation, 1)}
	select {
	case a.polls <- p:
	case <-r.Context().Done():
		return
	case <-a.done:
		return
	}
	select {
	case inv := <-p.answer:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(inv.deadline.UnixMilli()))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
		h.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%024x;Parent=0000000000000001;Sampled=0", time.Now().Unix(), 1))
		h.Set("Content-Length", fmt.Sprint(len(inv.payload)))
		close(inv.taken)
		_, _ = w.Write(inv.payload)
	case <-r.Context().Done():
	case <-a.done:
	}
}

func (a *runtimeAPI) response(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse+1))
	if err != nil {
		return // the connection broke: the process has to try again or is gone
	}
	tooLarge := len(body) > MaxResponse
	if tooLarge {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<30))
	}
	if !a.finish(r.PathValue("id")) {
		reply(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	if tooLarge {
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse)
		a.outcomes <- failure(ErrorTypeTooLarge, message)
		reply(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
		return
	}
	a.outcomes <- Result{Payload: body}
	accepted(w)
}

func (a *runtimeAPI) failed(w http.ResponseWriter, r *http.Request) {
	o, ok := readError(r)
	if !ok {
		return
	}
	if !a.finish(r.PathValue("id")) {
		reply(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	a.outcomes <- o
	accepted(w)
}

func (a *runtimeAPI) initError(w http.ResponseWriter, r *http.Request) {
	o, ok := readError(r)
	if !ok {
		return
	}
	select {
	case a.initErrors <- o:
	default:
	}
	accepted(w)
}

// readError reads the description of a failure. Its type is in a header or in the body.
func readError(r *http.Request) (Result, bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse))
	if err != nil {
		return Result{}, false
	}
	var told struct {
		ErrorType string `json:"errorType"`
	}
	_ = json.Unmarshal(body, &told) // a body without a type is an error without a type
	o := Result{Payload: body, ErrorType: r.Header.Get("Lambda-Runtime-Function-Error-Type")}
	if o.ErrorType == "" {
		o.ErrorType = told.ErrorType
	}
	if o.ErrorType == "" {
		o.ErrorType = "Runtime.Unknown"
	}
	return o, true
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func reply(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}
