// SPDX-License-Identifier: Apache-2.0

package dynamostore

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3cam/s3cam/internal/cache"
)

// withoutRetry turns the SDK's own repeating off: attempt does it, and has to know about each try.
func withoutRetry(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }

// attempt calls do until it succeeds, fails for good, or the attempts or ctx are used up. Each try has its own deadline: a
// connection that froze with its Lambda instance must not use up the request's time.
func (d *Store) attempt(ctx context.Context, do func(ctx context.Context) error) error {
	pause := cache.FirstPause
	for n := 1; ; n++ {
		try, cancel := context.WithTimeout(ctx, d.cfg.AttemptTimeout)
		err := do(try)
		timedOut := try.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case n >= d.cfg.Attempts || !(timedOut || temporary(err)):
			if n > 1 {
				return fmt.Errorf("after %d attempts: %w", n, explain(err))
			}
			return explain(err)
		}
		d.cfg.Logger.Debug("request to the cache table is repeated", "table", d.cfg.Table, "attempt", n, "error", err)
		timer := time.NewTimer(time.Duration(mathrand.Int64N(int64(pause))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-timer.C:
		}
		pause = min(2*pause, cache.MaxPause)
	}
}

// temporary tells whether repeating may help: throttling, 5xx, connections that broke, as the SDK classifies them.
func temporary(err error) bool {
	if retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	var inside *types.InternalServerError
	return errors.As(err, &inside) || status(err) >= 500
}

// mayHaveHappened tells whether a write that failed with err may have been carried out all the same: there was no answer,
// or it says that the server is at fault.
func mayHaveHappened(err error) bool {
	if err == nil {
		return false
	}
	code := status(err)
	return code == 0 || code >= 500
}

// status is that of the HTTP answer; 0 when there was none.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// explain adds to the refusals that an operator can end what he has to look at.
func explain(err error) error {
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	} else if status(err) == http.StatusForbidden {
		code = "AccessDeniedException" // without a document that says so
	}
	hint := ""
	switch code {
	case "ResourceNotFoundException":
		hint = "there is no such table in this account and region"
	case "AccessDeniedException":
		hint = "the role of this function must allow dynamodb:GetItem and dynamodb:PutItem on the table"
	case "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded":
		hint = "the table's capacity is used up: PAY_PER_REQUEST has no such limit in normal use"
	case "ValidationException":
		hint = `the table needs the hash key "pk" of type S and no range key`
	default:
		return err
	}
	return fmt.Errorf("%s: %w", hint, err)
}
