// SPDX-License-Identifier: Apache-2.0

// Package deploy puts the AWS half of s3cam into an account and takes it away again: it checks what can be checked
// beforehand, uploads the functions, creates or updates the CloudFormation stack by a change set, tells what happens while
// it happens, and deletes the stack without the video.
//
// It promises that nothing is created before every check has passed, that the bucket with the video is never replaced and
// never deleted unless its name is given, and that an operation that was left (a cancelled context) goes on in AWS and can
// be watched again with [Deployer.Status].
//
// Bounds: one stack at a time; a [Deployer] is for one goroutine. Nothing here ran against a real account: the tests
// drive the real SDK clients against a scripted CloudFormation and, for S3 and STS, against moto.
package deploy
