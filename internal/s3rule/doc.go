// SPDX-License-Identifier: Apache-2.0

// Package s3rule has the rules that both S3 clients keep, that of the cloud side (package s3) and that of cameras (internal/s3put): which
// names regions and buckets have, which domain belongs to a region, and what of a server's text may reach a log. Pure functions on the
// standard library without net/http.
package s3rule
