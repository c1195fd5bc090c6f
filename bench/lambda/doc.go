// SPDX-License-Identifier: Apache-2.0

// Package lambda measures the real bootstrap of the AWS Lambda functions, run as Lambda runs it: how long it takes from exec
// to its first question for an invocation, a poll of live playlists that are warm in the table, and a replay of 24 hours.
//
// S3 and DynamoDB are answered by this process, from memory and at once, over plain HTTP on loopback: what is measured is what the
// function itself takes. S3 lists a camera that has recorded a segment each 3 s for ever; the table keeps what is put into it.
//
// It needs nothing but the bootstrap of this machine's architecture. Everything that it starts ends with it.
package lambda
