// SPDX-License-Identifier: Apache-2.0

// Package deploytest is, for tests only, an AWS in memory as far as a deployment meets it: CloudFormation, STS and the
// simulator of IAM by the query protocol, and a little of S3 and of AWS IoT, all on one loopback address for the real SDK clients.
//
// CloudFormation works by a script: each look at a stack lets one more step happen, so no test waits. It knows nothing of
// templates but whether they are the same as before. What it promises about AWS is what the public documentation says;
// nothing here was compared with a real account.
package deploytest
