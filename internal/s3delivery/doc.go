// SPDX-License-Identifier: Apache-2.0

// Package s3delivery joins an S3 client to the playback API: signers of segment URLs, segments streamed from the bucket, and
// what an error of the store means for a viewer. The standalone server and the Lambda functions share it.
//
// Everything here is safe for concurrent use and starts no goroutine. Signed URLs give access to whoever has them: none is
// logged, and no error shows one. Bounds: 64 kept signers.
package s3delivery
