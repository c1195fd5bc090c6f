// SPDX-License-Identifier: Apache-2.0

// Package device holds the tests of the whole device side: firmware in C with our library, the agent that it starts, and the
// embedded S3 over TLS behind links and servers that fail in every way the original SDK was measured with. It contains nothing else.
//
// The C program (testdata/player.c) plays a script of API calls that the test writes, so one binary serves natively and below
// qemu. What arrives in the bucket is judged object by object (audit_test.go): whole, clean for the strict analyzer, made of exactly
// the pictures that were fed, and as many as the device says.
//
//	S3CAM_TEST_LONG=1  the slow uplinks and outages of 60 s each as the original was measured, instead of shorter ones
//	S3CAM_SOAK=30m     how long TestSoak runs; default 20s
//	S3CAM_SEED=1       the seed of what is random; printed by each test that has some
package device
