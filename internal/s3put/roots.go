// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"crypto/x509"
	_ "embed" // for roots.pem
)

// rootsPEM are the roots of S3 and AWS IoT: the five that Amazon Trust Services asks custom trust stores to hold
// (amazontrust.com/repository), and three of DigiCert, who issues for some regions of China. Taken from Mozilla's list by way of Debian's
// ca-certificates; roots_test.go lists names, ends and fingerprints.
//
//go:embed roots.pem
var rootsPEM []byte

// PinnedRoots returns a new pool of the few roots to which the certificates of S3 and AWS IoT lead. A bundle of all public roots instead
// costs a camera 1 MB of memory. It holds 10 KB; clients should share one.
func PinnedRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(rootsPEM)
	return pool
}
