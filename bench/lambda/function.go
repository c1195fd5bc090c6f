// SPDX-License-Identifier: Apache-2.0

package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"
)

const (
	bootTimeout = 10 * time.Second
	callTimeout = time.Minute
)

// function is one process of a function and its Runtime API (version 2018-06-01).
type function struct {
	cmd    *exec.Cmd
	api    *http.Server
	asked  chan struct{} // it asks for an invocation
	events chan []byte
	answer chan []byte
	ended  chan error
	log    limited
}

// limited keeps the beginning of what is written to it.
type limited struct{ b []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.b = append(l.b, p[:min(len(p), 4096-len(l.b))]...)
	return len(p), nil
}

// boot starts the program and returns when it asks for its first invocation, and how long that took from exec.
func boot(program string, env []string) (*function, time.Duration, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	f := &function{asked: make(chan struct{}), events: make(chan []byte), answer: make(chan []byte), ended: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case f.asked <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		select {
		case event := <-f.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(callTimeout).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		select {
		case f.answer <- body:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusAccepted)
	})
	f.api = &http.Server{Handler: mux}
	go func() { _ = f.api.Serve(ln) }()
	f.cmd = exec.Command(program)
	f.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + ln.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024"}, env...)
	f.cmd.Stdout, f.cmd.Stderr = &f.log, &f.log
	began := time.Now()
	if err := f.cmd.Start(); err != nil {
		return nil, 0, errors.Join(err, f.api.Close())
	}
	go func() { f.ended <- f.cmd.Wait() }()
	select {
	case <-f.asked:
		return f, time.Since(began), nil
	case err := <-f.ended:
		f.ended <- err
		return nil, 0, errors.Join(fmt.Errorf("the function ended: %v: %s", err, f.log.b), f.close())
	case <-time.After(bootTimeout):
		return nil, 0, errors.Join(errors.New("the function did not ask for an invocation"), f.close())
	}
}

func (f *function) close() error {
	_ = f.cmd.Process.Kill() // it may be gone
	<-f.ended
	return f.api.Close()
}

// get invokes the function for a GET as API Gateway would. It returns the body as it would go to the viewer, and the time from the event to the
// answer. The function must be waiting.
func (f *function) get(path, query string) (body []byte, took time.Duration, err error) {
	event, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "GET " + path, "rawPath": path, "rawQueryString": query,
		"headers": map[string]string{"accept-encoding": "gzip", "host": "api.example.org"},
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "api", "domainName": "api.example.org", "stage": "$default", "requestId": "bench", "routeKey": "GET " + path,
			"http": map[string]string{"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"},
		},
	})
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	f.events <- event
	var text []byte
	select {
	case text = <-f.answer:
	case err := <-f.ended:
		f.ended <- err
		return nil, 0, fmt.Errorf("the function ended: %v: %s", err, f.log.b)
	case <-time.After(callTimeout):
		return nil, 0, errors.New("the function did not answer")
	}
	took = time.Since(began)
	<-f.asked
	var answer struct {
		StatusCode      int
		Body            string
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("GET %s?%s: %.500s", path, query, text)
	}
	if body = []byte(answer.Body); answer.IsBase64Encoded {
		body, err = base64.StdEncoding.DecodeString(answer.Body)
	}
	return body, took, err
}
