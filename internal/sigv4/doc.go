// SPDX-License-Identifier: Apache-2.0

// Package sigv4 signs requests for S3 and other AWS services with AWS Signature Version 4: the Authorization header of a
// request that is sent at once ([Signer.AppendAuthorization]), and presigned URLs that somebody else may use later
// ([Presigner]).
//
// It is pure and imports neither net nor net/http: it opens nothing, reads no clock and takes the request as a small
// explicit description, so the same code serves the cloud side and the device agent. Output is appended to the caller's
// buffer. Paths are encoded once and never normalised ("//" and ".." stay), as S3 wants it; other services that encode the
// path twice are out of scope except for paths that need no encoding.
//
// Cost: the signing key of a (secret, day, region, service) is derived once and kept as two SHA-256 states, the ones that
// HMAC reaches after its padded key. A signature then hashes only its own text. A presigned URL additionally shares
// everything that does not depend on the key; it allocates nothing.
//
// The specification is the "AWS Signature Version 4" part of the S3 API reference (sigv4-auth-using-authorization-header,
// sigv4-query-string-auth). Experimental: internal to this module. Sizes are bounded by what the caller passes.
package sigv4
