// SPDX-License-Identifier: Apache-2.0

package awslambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/s3cam/s3cam/internal/awslambda"
)

func TestCloudFormationIsAlwaysAnswered(t *testing.T) {
	t.Parallel() // it waits for seconds
	tests := []struct {
		name           string
		handle         cfn.CustomResourceFunction
		status, reason string
		data           string
	}{
		{"done", func(context.Context, cfn.Event) (string, map[string]any, error) {
			return "site", map[string]any{"CredentialEndpoint": "c.example"}, nil
		}, "SUCCESS", "", "c.example"},
		{"failed", func(context.Context, cfn.Event) (string, map[string]any, error) {
			return "site", nil, errors.New("the bucket is full")
		}, "FAILED", "the bucket is full", ""},
		{"a panic", func(context.Context, cfn.Event) (string, map[string]any, error) { panic("detail") }, "FAILED", "the function has a fault", ""},
		{"too slow", func(ctx context.Context, _ cfn.Event) (string, map[string]any, error) {
			<-ctx.Done()
			return "site", nil, ctx.Err()
		}, "FAILED", "deadline", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got cfn.Response
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
					t.Error(err)
				}
			}))
			defer s.Close()
			var log bytes.Buffer
			f := awslambda.CustomResource(tt.handle, awslambda.NewLogger(&log, slog.LevelInfo))
			// A quarter of what is left is kept for the answer.
			ctx, cancel := context.WithTimeout(invocation(t.Context(), "inv-1"), 8*time.Second)
			defer cancel()
			ev := cfn.Event{RequestType: cfn.RequestUpdate, RequestID: "r", StackID: "s", LogicalResourceID: "Demosite", PhysicalResourceID: "site", ResponseURL: s.URL}
			if _, err := f(ctx, ev); err != nil {
				t.Fatal(err)
			}
			if ctx.Err() != nil {
				t.Error("the answer came after Lambda's deadline")
			}
			if string(got.Status) != tt.status || !strings.Contains(got.Reason, tt.reason) || got.PhysicalResourceID != "site" || (tt.data != "" && got.Data["CredentialEndpoint"] != tt.data) {
				t.Errorf("CloudFormation got %+v", got)
			}
			if strings.Contains(got.Reason, "detail") || !strings.Contains(log.String(), "inv-1") {
				t.Errorf("reason %q, log %s", got.Reason, &log)
			}
		})
	}
}

func TestTheDemositeFunctionRefusesAnEventWithoutProperties(t *testing.T) {
	var got cfn.Response
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	c, err := awslambda.Settings(env(stack("demosite")))
	if err != nil {
		t.Fatal(err)
	}
	h, err := awslambda.New(c)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := h.(cfn.CustomResourceLambdaFunction)
	if !ok {
		t.Fatalf("New returned a %T", h)
	}
	if _, err := f(t.Context(), cfn.Event{RequestType: cfn.RequestCreate, RequestID: "r", ResponseURL: s.URL}); err != nil {
		t.Fatal(err)
	}
	if got.Status != cfn.StatusFailed || got.Reason == "" {
		t.Errorf("CloudFormation got %+v", got)
	}
}
