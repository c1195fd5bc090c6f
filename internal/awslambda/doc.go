// SPDX-License-Identifier: Apache-2.0

// Package awslambda runs the playback API, and the custom resource that installs the web site, as AWS Lambda functions
// behind an API Gateway HTTP API. One program serves all four functions; S3CAM_FUNCTION tells which one it is.
//
//   - Settings reads the environment and reports everything that is wrong with it at once.
//   - New joins the bucket (package s3), the cache table (DynamoDB) and the API (internal/httpapi) and returns what
//     lambda.Start takes. It contacts nobody: a cold start costs what building these values costs.
//   - NewHandler translates events of payload format 2.0 for any http.Handler.
//
// What holds for every invocation of the API: it is answered before Lambda's deadline; an answer that Lambda could not
// carry becomes 413 with advice; a panic becomes 500 and the process goes on; errors have the form of the API
// (docs/ref/http-api.md) and carry Lambda's request id, as all lines of the log do.
//
// # Rights
//
// playlist and replay list folders of days only (s3:prefix "*/20??/??/??/*"), read segments, and read and write items of the
// cache table (dynamodb:GetItem, dynamodb:PutItem). cameras lists anywhere in the bucket, and neither reads objects nor uses
// the table.
//
// # Bounds
//
// One invocation at a time, as Lambda has it. An answer is held in memory up to 6 MB, beyond that only counted. Signed URLs
// of a live playlist end 5 minutes after NearRealtimeReplayCachePeriod (900 s), those of redirects after 60 s. The role's
// credentials have an end that Lambda does not tell; a replay lists signed URLs only if it needs them for an hour at most.
package awslambda
