// SPDX-License-Identifier: Apache-2.0

// Package aws tests the deployment on AWS without an account: the template as CloudFormation would resolve it (cfntest), the real
// bootstrap as Lambda and API Gateway would run it (lambdatest), DynamoDB and IAM by moto with authorization enforced
// (mototest), S3 by the embedded engine. Proxies before both stores count what the functions ask for, and refuse whatever the
// policies of the caller's role, as they stand in the template, do not allow; a refusal that a test did not ask for fails it.
package aws
