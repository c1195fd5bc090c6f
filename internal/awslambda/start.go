// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// ReportInitError tells Lambda why a function cannot be started, so that the reason stands beside the failed invocation and
// not only in the log. api is the value of AWS_LAMBDA_RUNTIME_API. The process should end after it.
func ReportInitError(ctx context.Context, api string, reason error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	const kind = "Runtime.InitError"
	body, err := json.Marshal(map[string]any{"errorMessage": reason.Error(), "errorType": kind, "stackTrace": []string{}})
	if err != nil {
		return fmt.Errorf("report that the function cannot start: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("report that the function cannot start: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("report that the function cannot start: %w", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("report that the function cannot start: Lambda answers %s", answer.Status)
	}
	return nil
}
