// SPDX-License-Identifier: Apache-2.0

// Package tlscert gives a server its TLS certificate: from files that somebody else renews ([Files]), or from a certificate authority
// by ACME ([ACME], RFC 8555). Both serve new certificates to new connections without a restart; connections that
// exist are not touched.
//
// [ServerConfig] is what a port is served with: TLS 1.2 and 1.3, with forward secrecy and authenticated encryption only.
// [Redirect] sends browsers from HTTP to HTTPS, but only to host names that the certificate is for, so that it is no open
// redirect. [HSTS] tells browsers not to come by HTTP again.
//
// Bounds: certificate and key files of 1 MB.
//
// This package is internal and may change.
package tlscert
