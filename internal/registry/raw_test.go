// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bufio"
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

// raw is an S3 request of which every byte of the target is under control, signed by hand.
type raw struct {
	method, path, query string // as sent
	headers             map[string]string
	body                string
	key, secret, token  string
	payload             string // x-amz-content-sha256; empty: the hash of body
	length              int64  // Content-Length when it is not that of body
	host                string // Host, when it is not the server's
}

type answer struct {
	status int
	code   string
	body   string
}

func (r raw) send(t *testing.T, addr string) answer {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, r.head(addr)+r.body) }()
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: r.method})
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	var e struct{ Code string }
	_ = xml.Unmarshal(b, &e)
	return answer{res.StatusCode, e.Code, string(b)}
}

func (r raw) head(addr string) string {
	stamp := time.Now().UTC().Format("20060102T150405Z")
	scope := stamp[:8] + "/us-east-1/s3/aws4_request"
	if r.payload == "" {
		sum := sha256.Sum256([]byte(r.body))
		r.payload = hex.EncodeToString(sum[:])
	}
	if r.host == "" {
		r.host = addr
	}
	h := map[string]string{"host": r.host, "x-amz-date": stamp, "x-amz-content-sha256": r.payload}
	if r.token != "" {
		h["x-amz-security-token"] = r.token
	}
	for k, v := range r.headers {
		h[k] = v
	}
	names := make([]string, 0, len(h))
	for k := range h {
		names = append(names, k)
	}
	slices.Sort(names)
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.method, canonicalPath(r.path), canonicalQuery(r.query))
	for _, k := range names {
		fmt.Fprintf(&canonical, "%s:%s\n", k, h[k])
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", strings.Join(names, ";"), r.payload)
	sum := sha256.Sum256([]byte(canonical.String()))
	signature := hex.EncodeToString(hmacOf(signingKey(r.secret, stamp[:8]), "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	var b strings.Builder
	target := r.path
	if r.query != "" {
		target += "?" + r.query
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, target)
	for _, k := range names {
		fmt.Fprintf(&b, "%s: %s\r\n", k, h[k])
	}
	if r.length == 0 {
		r.length = int64(len(r.body))
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\nAuthorization: AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s\r\n\r\n",
		r.length, r.key, scope, strings.Join(names, ";"), signature)
	return b.String()
}

// presigned is the query of a presigned URL for any method.
func (r raw) presigned(addr string) string {
	stamp := time.Now().UTC().Format("20060102T150405Z")
	scope := stamp[:8] + "/us-east-1/s3/aws4_request"
	q := url.Values{"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {r.key + "/" + scope}, "X-Amz-Date": {stamp},
		"X-Amz-Expires": {"600"}, "X-Amz-SignedHeaders": {"host"}}
	query := q.Encode()
	sum := sha256.Sum256([]byte(r.method + "\n" + r.path + "\n" + canonicalQuery(query) + "\nhost:" + addr + "\n\nhost\nUNSIGNED-PAYLOAD"))
	return query + "&X-Amz-Signature=" + hex.EncodeToString(hmacOf(signingKey(r.secret, stamp[:8]),
		"AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
}

func signingKey(secret, day string) []byte {
	k := []byte("AWS4" + secret)
	for _, s := range []string{day, "us-east-1", "s3", "aws4_request"} {
		k = hmacOf(k, s)
	}
	return k
}

func hmacOf(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

// canonicalPath has the hexadecimal digits of its encoding in upper case, whatever is sent.
func canonicalPath(path string) string {
	b := []byte(path)
	for i := range b {
		if b[i] == '%' && i+2 < len(b) {
			copy(b[i:i+3], strings.ToUpper(path[i:i+3]))
		}
	}
	return string(b)
}

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
	slices.SortFunc(parts, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return strings.Join(parts, "&")
}
