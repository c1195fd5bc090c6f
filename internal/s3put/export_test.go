// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// Address is where a client's requests go.
type Address struct {
	TLS                        bool
	Host, Dial, Prefix, Region string
}

func exported(a *address) *Address {
	if a == nil {
		return nil
	}
	return &Address{a.tls, a.host, a.dial, a.prefix, a.region}
}

// AddressOf returns the present address of c.
func AddressOf(c *Client) *Address { return exported(c.at) }

// Moved returns where c would go when a redirect names region.
func Moved(c *Client, region string) *Address { return exported(c.place.moved(c.at, region)) }

// RegionOfLocation is regionOfLocation.
func RegionOfLocation(c *Client, location string) string { return c.place.regionOfLocation(location) }

// Document is what parseDocument finds.
type Document struct{ Code, Message, RequestID, Region, Endpoint, ServerTime string }

// ParseDocument is parseDocument.
func ParseDocument(text []byte) (Document, bool) {
	d, ok := parseDocument(text)
	return Document{d.code, d.message, d.requestID, d.region, d.endpoint, d.serverTime}, ok
}

// Limits.
const (
	MaxCode    = maxCode
	MaxMessage = maxMessage
)

// Build returns the signed request for o.
func Build(c *Client, o *Object, cred sigv4.Credentials) *http1.Request {
	c.time = o.Time.UTC()
	return c.build(o, &cred)
}
