// SPDX-License-Identifier: Apache-2.0

// Package credserver gives cameras session keys for their certificates, over the protocol of AWS IoT's credential endpoint
// (AWS IoT Core developer guide, "Authorizing direct calls to AWS services"): what gets keys there gets them here, with another
// address, another authority and nothing else.
//
//	GET /role-aliases/<alias>/credentials        client certificate required; x-amzn-iot-thingname optional
//	200 {"credentials":{"accessKeyId":...,"secretAccessKey":...,"sessionToken":...,"expiration":"2026-11-25T13:00:00Z"}}
//
// A client without a certificate of the authority does not get past the handshake. Whether a certificate still counts is
// looked up for each request, so one that was taken away is refused at once, on connections that are open too. The keys can do
// what package registry lets a camera do.
//
// Bounds: [MaxConnections] connections, heads of 8 KiB that come within 10 s, no bodies. HTTP/1.1 over TLS 1.2 or 1.3.
//
// This package is internal and may change.
package credserver
