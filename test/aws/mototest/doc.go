// SPDX-License-Identifier: Apache-2.0

// Package mototest gives tests a moto_server: DynamoDB, S3, STS and IAM in a process that knows AWS independently of us and,
// as started here, verifies the signature of every request and whether the caller's policies allow it. It is for tests only.
//
//	moto := mototest.Start(t)                              // skips the test loudly when moto_server is not installed
//	moto.CreateTable(t, "IPC-Cache-1")
//	moto.CreateRole(t, "IPC-Playlist-1", policyJSON)
//	creds := moto.AssumeRole(t, "IPC-Playlist-1", "viewer")
//	client := dynamodb.NewFromConfig(moto.Config(creds))
//
// One server per test binary is started when it is first asked for and ends with the binary, however that ends. Tests share it,
// so each names what it creates after itself.
//
// What moto 5.2 does not know: conditions and variables in policies (AdaptPolicy), resources other than S3's, body hashes, clock
// skew, presigned URLs; and it refuses every signed GET of IoT. The tests in test/aws judge those by themselves.
package mototest
