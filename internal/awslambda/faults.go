// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"errors"

	"github.com/aws/smithy-go"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3delivery"
)

// fault tells the API what an error of the bucket or of the cache table means for a viewer.
func fault(err error) httpapi.Fault {
	var answer smithy.APIError // of DynamoDB: the bucket's client is our own
	if !errors.As(err, &answer) {
		return s3delivery.Fault(err)
	}
	switch answer.ErrorCode() {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException", "ServiceUnavailable", "ServiceUnavailableException":
		return httpapi.FaultBusy
	}
	if answer.ErrorFault() == smithy.FaultServer {
		return httpapi.FaultBroken
	}
	return httpapi.FaultDenied // AccessDenied, ResourceNotFound, UnrecognizedClient, ExpiredToken and their like
}
