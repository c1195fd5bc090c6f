// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/s3cam/s3cam/internal/demosite"
	"github.com/s3cam/s3cam/s3"
)

// cfnReserve is the time before Lambda's deadline that is kept for telling CloudFormation how it went: without an answer it
// waits for an hour.
const cfnReserve = 15 * time.Second

// newDemosite returns what lambda.Start takes to serve the custom resource.
func newDemosite(cfg Config) (any, error) {
	installer, err := demosite.New(demosite.Config{
		Region: cfg.Region, S3Endpoint: cfg.S3Endpoint, IoTEndpoint: cfg.IoTEndpoint, Now: cfg.Now, Logger: cfg.Logger,
		Credentials: s3.Static(cfg.Credentials.AccessKeyID, cfg.Credentials.SecretAccessKey, cfg.Credentials.SessionToken),
	})
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", cfg.Function, err)
	}
	return customResource(installer.Handle, cfg.Logger), nil
}

// customResource makes every event end in an answer to CloudFormation: also one that takes too long, or panics.
func customResource(handle cfn.CustomResourceFunction, log *slog.Logger) cfn.CustomResourceLambdaFunction {
	return func(ctx context.Context, ev cfn.Event) (string, error) {
		defer begin(ctx, log)()
		return cfn.LambdaWrap(func(ctx context.Context, ev cfn.Event) (id string, data map[string]any, err error) {
			if deadline, ok := ctx.Deadline(); ok {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(cfnReserve, max(0, time.Until(deadline)/4))))
				defer cancel()
			}
			defer func() {
				if p := recover(); p != nil {
					log.ErrorContext(ctx, "panic", slog.String("error", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
					id, data, err = ev.PhysicalResourceID, nil, errors.New("the function has a fault; its log has the reason")
				}
			}()
			id, data, err = handle(ctx, ev)
			log.InfoContext(ctx, "custom resource", slog.String("type", string(ev.RequestType)), slog.String("stack", ev.StackID), slog.Any("error", err))
			return id, data, err
		})(ctx, ev)
	}
}
