// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// rawRequest is an S3 request of which every byte is under control: signed by hand, written to a socket, never by a library.
// It reads the protocol independently of the clients that s3cam uses.
type rawRequest struct {
	method  string
	path    string            // as sent, already encoded, beginning with '/'
	query   string            // as sent
	headers map[string]string // signed, unless also in unsigned; an empty value is signed but not sent
	body    string
	cut     int // send only this many body bytes, then close; 0 = all

	payload   string // X-Amz-Content-Sha256; empty = the body's real hash
	access    string // overrides of the target's
	secret    string
	token     string
	date      time.Time
	anonymous bool // no Authorization at all
	tight     bool // no spaces after the commas of Authorization, as the original SDK
	presign   time.Duration
	tamper    func(query string) string // of a presigned URL
	host      string                    // Host header; empty = the endpoint's
}

type rawResponse struct {
	status int
	header http.Header
	body   string
	code   string // of an S3 error
	closes bool   // the server ends the connection
}

func hexHash(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

// do sends the request on its own connection.
func (t *target) do(tb testing.TB, r rawRequest) rawResponse {
	tb.Helper()
	c, err := t.dial()
	if err != nil {
		tb.Fatalf("dial: %v", err)
	}
	defer c.Close()
	res, err := t.send(c, bufio.NewReader(c), r)
	if err != nil {
		tb.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return res
}

// send writes the request and reads the answer, unless the request is cut.
func (t *target) send(c net.Conn, br *bufio.Reader, r rawRequest) (rawResponse, error) {
	body := r.body
	head := t.head(r)
	if r.cut > 0 {
		_, err := io.WriteString(c, head+body[:r.cut])
		return rawResponse{}, err
	}
	// A server may answer before it has read everything, so write and read at once.
	werr := make(chan error, 1)
	go func() { _, err := io.WriteString(c, head+body); werr <- err }()
	res, err := readResponse(br, r.method)
	if err != nil {
		return res, fmt.Errorf("%w (write: %v)", err, <-werr)
	}
	return res, nil
}

func readResponse(br *bufio.Reader, method string) (rawResponse, error) {
	for {
		hr, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return rawResponse{}, err
		}
		b, err := io.ReadAll(hr.Body)
		_ = hr.Body.Close()
		if hr.StatusCode == http.StatusContinue {
			continue
		}
		res := rawResponse{status: hr.StatusCode, header: hr.Header, body: string(b), closes: hr.Close}
		var e struct{ Code string }
		if hr.StatusCode >= 300 && xml.Unmarshal(b, &e) == nil {
			res.code = e.Code
		}
		return res, err
	}
}

// head returns the request up to and with the empty line.
func (t *target) head(r rawRequest) string {
	access, secret := t.access, t.secret
	if r.access != "" {
		access = r.access
	}
	if r.secret != "" {
		secret = r.secret
	}
	date := r.date
	if date.IsZero() {
		date = time.Now()
	}
	stamp := date.UTC().Format("20060102T150405Z")
	scope := stamp[:8] + "/" + t.region + "/s3/aws4_request"
	host := r.host
	if host == "" {
		host = t.host
	}
	query := r.query
	headers := map[string]string{"host": host}
	for k, v := range r.headers {
		headers[strings.ToLower(k)] = v
	}
	payload := r.payload
	if payload == "" {
		payload = hexHash(r.body)
	}
	switch {
	case r.presign > 0:
		payload = "UNSIGNED-PAYLOAD"
		q := url.Values{
			"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {access + "/" + scope}, "X-Amz-Date": {stamp},
			"X-Amz-Expires": {fmt.Sprint(int(r.presign.Seconds()))}, "X-Amz-SignedHeaders": {"host"},
		}
		if r.token != "" {
			q.Set("X-Amz-Security-Token", r.token)
		}
		query = q.Encode()
	case !r.anonymous:
		headers["x-amz-date"], headers["x-amz-content-sha256"] = stamp, payload
		if r.token != "" {
			headers["x-amz-security-token"] = r.token
		}
	}
	names := make([]string, 0, len(headers))
	for k := range headers {
		if k != "connection" && k != "expect" && k != "origin" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	signed := strings.Join(names, ";")
	if r.presign > 0 {
		signed = "host"
		names = []string{"host"}
	}
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.method, r.path, canonicalQuery(query))
	for _, k := range names {
		fmt.Fprintf(&canonical, "%s:%s\n", k, strings.TrimSpace(headers[k]))
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", signed, payload)
	toSign := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hexHash(canonical.String())
	key := []byte("AWS4" + secret)
	for _, s := range []string{stamp[:8], t.region, "s3", "aws4_request"} {
		key = mac(key, s)
	}
	signature := hex.EncodeToString(mac(key, toSign))
	if r.presign > 0 {
		query += "&X-Amz-Signature=" + signature
		if r.tamper != nil {
			query = r.tamper(query)
		}
	}

	var b bytes.Buffer
	target := r.path
	if query != "" {
		target += "?" + query
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, target)
	for k, v := range headers {
		if v != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", k, v)
		}
	}
	if r.presign == 0 && !r.anonymous {
		sep := ", "
		if r.tight {
			sep = ","
		}
		fmt.Fprintf(&b, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s%sSignedHeaders=%s%sSignature=%s\r\n", access, scope, sep, signed, sep, signature)
	}
	if r.method == "PUT" || r.method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	return b.String()
}

// canonicalQuery sorts the parameters; they must be encoded already.
func canonicalQuery(q string) string {
	if q == "" {
		return ""
	}
	parts := strings.Split(q, "&")
	for i, p := range parts {
		if !strings.Contains(p, "=") {
			parts[i] = p + "="
		}
	}
	slices.Sort(parts)
	return strings.ReplaceAll(strings.Join(parts, "&"), "+", "%20")
}

// sendHead sends a request head as it is, without a body.
func (t *target) sendHead(tb testing.TB, head, method string) rawResponse {
	tb.Helper()
	c, err := t.dial()
	if err != nil {
		tb.Fatalf("dial: %v", err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, head); err != nil {
		tb.Fatalf("send: %v", err)
	}
	res, err := readResponse(bufio.NewReader(c), method)
	if err != nil {
		tb.Fatalf("answer to %.60q: %v", head, err)
	}
	return res
}
