// SPDX-License-Identifier: Apache-2.0

// Command testboot is a bootstrap that does what the test of the emulator wants: well or badly.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// order is the payload: what to do. HTTP events say it in their path, "/do/<what>".
type order struct {
	Do      string `json:"do"`
	Size    int    `json:"size"`
	RawPath string `json:"rawPath"`
}

func main() {
	switch os.Getenv("TESTBOOT_INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "testboot: exits at init")
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "error":
		body := []byte(`{"errorType":"Testboot.Config","errorMessage":"no configuration"}`)
		res, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", bytes.NewReader(body))
		if err == nil {
			_ = res.Body.Close()
		}
		os.Exit(1)
	}
	calls := 0
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (any, error) {
		calls++
		var o order
		if err := json.Unmarshal(payload, &o); err != nil {
			return nil, err
		}
		if what, ok := strings.CutPrefix(o.RawPath, "/do/"); ok {
			o.Do = what
		}
		return do(ctx, o, payload, calls)
	})
}

func do(ctx context.Context, o order, payload json.RawMessage, calls int) (any, error) {
	switch o.Do {
	case "count":
		return map[string]any{"calls": calls, "pid": os.Getpid()}, nil
	case "echo":
		return payload, nil
	case "env":
		return os.Environ(), nil
	case "deadline":
		deadline, _ := ctx.Deadline()
		return map[string]int64{"ms": time.Until(deadline).Milliseconds()}, nil
	case "fail":
		return nil, errors.New("failed as told")
	case "panic":
		panic("as told")
	case "hang":
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(7)
	case "die":
		go func() { // after the answer
			time.Sleep(50 * time.Millisecond)
			os.Exit(8)
		}()
		return os.Getpid(), nil
	case "wrong id":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/nobody/response"
		res, err := http.Post(url, "application/json", strings.NewReader("{}"))
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		var told map[string]string
		err = json.NewDecoder(res.Body).Decode(&told)
		return map[string]any{"status": res.StatusCode, "type": told["errorType"]}, err
	case "big":
		return strings.Repeat("x", o.Size-2), nil // two quotes
	case "no status":
		return map[string]string{"hello": "world"}, nil
	case "malformed":
		return map[string]any{"statusCode": "two hundred"}, nil
	case "bad base64":
		return map[string]any{"statusCode": 200, "body": "%%%", "isBase64Encoded": true}, nil
	case "base64":
		return map[string]any{"statusCode": 203, "body": "AAEC/w==", "isBase64Encoded": true, "cookies": []string{"a=1", "b=2"},
			"headers": map[string]any{"content-type": "application/x-test", "x-number": 5, "access-control-allow-origin": "https://function.example"}}, nil
	}
	return nil, fmt.Errorf("cannot %q", o.Do)
}
