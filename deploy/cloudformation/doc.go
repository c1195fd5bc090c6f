// SPDX-License-Identifier: Apache-2.0

// Package cloudformation holds the CloudFormation templates of the AWS deployment: one for the regions of China, which lack
// resource types that the other uses, and one for all others. Both are generated from stack.yaml and committed; a test
// compares. docs/ref/aws.md is the reference of their parameters, resources and outputs.
//
// Promise: names of parameters, outputs and logical ids stay within a major version, since stacks are updated in place and a
// renamed S3VideoBucket would be a new, empty one. Bounds: each template fits into a request to CloudFormation
// (51,200 bytes).
package cloudformation

//go:generate go run ./generate
