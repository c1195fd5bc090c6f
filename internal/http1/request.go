// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"net"
	"strconv"
)

// appendHead appends the head of r to dst, or tells what of it must not be written. Nothing that the caller passes can end a line: the
// head is what r says, and nothing follows it but the body (RFC 9112, 11.1 and 11.2).
func appendHead(dst []byte, r *Request, host string) ([]byte, error) {
	bad := func(what, s string) ([]byte, error) { return nil, fmt.Errorf("%w: bad %s %.60q", ErrRequest, what, s) }
	if r.Host != "" {
		host = r.Host
	}
	switch {
	case !isToken(r.Method) || r.Method == "CONNECT":
		return bad("method", r.Method)
	case !validTarget(r.Target):
		return bad("target", r.Target)
	case !validHost(host):
		return bad("host", host)
	}
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	for i := range r.Header {
		f := &r.Header[i]
		if !isToken(f.Name) || ours(f.Name) {
			return bad("header field", f.Name)
		}
		if !validValue(f.Value) {
			return nil, fmt.Errorf("%w: bad value of header field %s", ErrRequest, f.Name) // the value may be a secret
		}
		dst = append(dst, "\r\n"...)
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
	}
	// RFC 9110, 8.6: a method that expects content says so even if there is none.
	if n := len(r.Body[0]) + len(r.Body[1]); n > 0 || r.Method == "PUT" || r.Method == "POST" {
		dst = append(dst, "\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	return append(dst, "\r\n\r\n"...), nil
}

// ours lists the fields that frame the message or rule the connection.
func ours(name string) bool {
	for _, s := range [...]string{"host", "content-length", "transfer-encoding", "connection", "keep-alive", "expect", "upgrade", "te", "trailer"} {
		if equalFold(name, s) {
			return true
		}
	}
	return false
}

// tokenChars is the set of RFC 9110, 5.6.2, one bit per ASCII character.
var tokenChars = [4]uint32{0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff}

func isTokenByte(c byte) bool { return c < 128 && tokenChars[c>>5]>>(c&31)&1 != 0 }

func isToken[T string | []byte](s T) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return len(s) > 0
}

// validTarget accepts the origin form: printable ASCII after a slash.
func validTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return len(s) > 0 && s[0] == '/'
}

// validHost accepts what may stand in Host: a name or address with a port.
func validHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c-'a' < 26, c-'A' < 26, c-'0' < 10, c == '-', c == '.', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return s != ""
}

// validValue accepts RFC 9110, 5.5: no control characters but the tab.
func validValue[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

// equalFold compares ASCII text without regard to case.
func equalFold[T string | []byte](s T, other string) bool {
	if len(s) != len(other) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != lower(other[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c-'A' < 26 {
		c += 'a' - 'A'
	}
	return c
}

// hostOf returns the Host of an address, which leaves out the scheme's own port.
func hostOf(address string, tls bool) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || (tls && port != "443") || (!tls && port != "80") {
		return address
	}
	if len(host) > 0 && host[0] != '[' && net.ParseIP(host) != nil && net.ParseIP(host).To4() == nil {
		return "[" + host + "]"
	}
	return host
}
