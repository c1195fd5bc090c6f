// SPDX-License-Identifier: Apache-2.0

// Command s3cam-lambda is the bootstrap of all Lambda functions of the AWS stack (internal/awslambda). S3CAM_FUNCTION says
// which one it is. `bootstrap --version` tells which build it is.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/s3cam/s3cam/internal/awslambda"
	"github.com/s3cam/s3cam/internal/buildinfo"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("s3cam-lambda", buildinfo.Read())
		return
	}
	cfg, err := awslambda.Settings(os.Getenv)
	log := awslambda.NewLogger(os.Stderr, cfg.LogLevel)
	slog.SetDefault(log) // also for what aws-lambda-go prints
	cfg.Logger = log
	var handler any
	if err == nil {
		handler, err = awslambda.New(cfg)
	}
	if err != nil {
		log.Error("the function cannot start", "error", err)
		if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
			if err := awslambda.ReportInitError(context.Background(), api, err); err != nil {
				log.Error("Lambda was not told", "error", err)
			}
		}
		os.Exit(1)
	}
	log.Info("ready", "function", cfg.Function, "build", buildinfo.Read().String())
	lambda.Start(handler)
}
