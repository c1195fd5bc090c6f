// SPDX-License-Identifier: Apache-2.0

// Package s3put is the device's only S3 request: one PUT of one segment, signed by internal/sigv4 and sent by internal/http1.
//
// One Put is one try: it stores the object if and only if there is none of that name, follows one redirect to the bucket's region,
// and sorts the answer into the few classes on which an uploader acts (the Err values). Over TLS the body is not hashed with SHA-256 (the
// connection protects it, x-amz-checksum-crc32c tells the server about a cut or damaged one); over plain HTTP it is.
//
// Credentials go only to the host that the configuration names, or on AWS to the same service in another region; never from TLS to plain.
//
// Bounds: keys 1024 bytes, error documents 16 KiB. Experimental: internal to this module.
package s3put
