// SPDX-License-Identifier: Apache-2.0

package lambdatest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/s3cam/s3cam/test/aws/lambdatest"
)

// FuzzAnswer lets a function answer anything.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"statusCode":200,"headers":{"a":"b","n":1,"t":true},"cookies":["c=d"],"body":"x"}`, `{"statusCode":302,"body":"AA==","isBase64Encoded":true}`,
		`"text"`, `{}`, `null`, `[1]`, `{"statusCode":null}`, `{"statusCode":199}`, `{"statusCode":2e2}`, `{"statusCode":200,"headers":{"a":[]}}`, ``, `{`,
	} {
		f.Add([]byte(s))
	}
	var answer []byte
	api := lambdatest.StartGateway(f, lambdatest.GatewayConfig{Routes: []lambdatest.Route{{Key: "GET /x", Function: invokerFunc(func(context.Context, []byte) (lambdatest.Result, error) {
		return lambdatest.Result{Payload: answer}, nil
	})}}})
	f.Fuzz(func(t *testing.T, payload []byte) {
		answer = payload
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
		if w.Code < 200 || w.Code > 599 || !json.Valid(payload) && w.Code != http.StatusInternalServerError {
			t.Errorf("%q gives %d", payload, w.Code)
		}
	})
}

// FuzzEvent sends any path and query; aws-lambda-go must read the event.
func FuzzEvent(f *testing.F) {
	for _, s := range [][2]string{{"/x/a b", "a=b&a=c"}, {"/x/%", "%zz=%&&=&+"}, {"/x/caf\u00e9?q", ";"}} {
		f.Add(s[0], s[1])
	}
	api := lambdatest.StartGateway(f, lambdatest.GatewayConfig{Routes: []lambdatest.Route{{Key: "$default", Function: echo}}})
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawQuery = "/"+path, query
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%q %q: %d %s (%v)", path, query, w.Code, w.Body, err)
		}
		if utf8.ValidString(query) && e.RawQueryString != query {
			t.Errorf("query %q became %q", query, e.RawQueryString)
		}
	})
}
