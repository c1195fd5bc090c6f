// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"strings"
	"testing"
	"time"
)

func TestRequestsNeedAValidSignature(t *testing.T) {
	tg := newTarget(t)
	tg.put(t, "a.ts", "top secret")
	now := time.Now()
	get := func(change func(*rawRequest)) rawRequest {
		r := rawRequest{method: "GET", path: tg.path("a.ts")}
		change(&r)
		return r
	}
	for _, tt := range []struct {
		name   string
		req    rawRequest
		status int
		code   string
	}{
		{"signed", get(func(*rawRequest) {}), 200, ""},
		{"anonymous", get(func(r *rawRequest) { r.anonymous = true }), 403, "AccessDenied"},
		{"an unknown access key", get(func(r *rawRequest) { r.access = "AKIAUNKNOWN000000000" }), 403, "InvalidAccessKeyId"},
		{"a wrong secret", get(func(r *rawRequest) { r.secret = "wrong" }), 403, "SignatureDoesNotMatch"},
		{"a clock 14 minutes late", get(func(r *rawRequest) { r.date = now.Add(-14 * time.Minute) }), 200, ""},
		{"a clock 14 minutes early", get(func(r *rawRequest) { r.date = now.Add(14 * time.Minute) }), 200, ""},
		{"a clock 16 minutes late", get(func(r *rawRequest) { r.date = now.Add(-16 * time.Minute) }), 403, "RequestTimeTooSkewed"},
		{"a clock 16 minutes early", get(func(r *rawRequest) { r.date = now.Add(16 * time.Minute) }), 403, "RequestTimeTooSkewed"},
		{"a clock in 1970", get(func(r *rawRequest) { r.date = time.Unix(60, 0) }), 403, "RequestTimeTooSkewed"},
		{"no spaces in Authorization", get(func(r *rawRequest) { r.tight = true }), 200, ""},
		{"a signed header that is not sent", get(func(r *rawRequest) { r.headers = map[string]string{"range": ""} }), 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := tg.do(t, tt.req)
			if res.status != tt.status || res.code != tt.code {
				t.Errorf("%d %s, want %d %s: %s", res.status, res.code, tt.status, tt.code, res.body)
			}
			if tt.status != 200 && strings.Contains(res.body, "top secret") {
				t.Errorf("the refusal carries the object")
			}
			if res.header.Get("Date") == "" {
				t.Error("no Date header: devices take their clock offset from it")
			}
		})
	}
}

func TestSessionTokenOfTheRootPairIsRefused(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	tg.put(t, "x", "secret")
	for _, presign := range []time.Duration{0, time.Minute} {
		res := tg.do(t, rawRequest{method: "GET", path: tg.path("x"), token: "forged", presign: presign})
		if res.status != 400 && res.status != 403 || res.code != "InvalidToken" || strings.Contains(res.body, "secret") {
			t.Errorf("presign %v: %d %s, want InvalidToken", presign, res.status, res.code)
		}
	}
}

func TestPresignedURLs(t *testing.T) {
	tg := newTarget(t)
	tg.put(t, segmentKey, "secret")
	tg.put(t, "other.ts", "other")
	now := time.Now()
	replace := func(old, with string) func(string) string {
		return func(q string) string {
			if !strings.Contains(q, old) {
				t.Fatalf("nothing to replace in %s", q)
			}
			return strings.Replace(q, old, with, 1)
		}
	}
	for _, tt := range []struct {
		name   string
		req    rawRequest
		status int
		code   string
	}{
		{"valid", rawRequest{presign: time.Hour}, 200, ""},
		{"valid for a week, the longest", rawRequest{presign: 7 * 24 * time.Hour}, 200, ""},
		{"for more than a week", rawRequest{presign: 8 * 24 * time.Hour}, 400, "AuthorizationQueryParametersError"},
		{"in its last minute", rawRequest{presign: 10 * time.Minute, date: now.Add(-9 * time.Minute)}, 200, ""},
		{"expired", rawRequest{presign: 10 * time.Minute, date: now.Add(-11 * time.Minute)}, 403, "AccessDenied"},
		{"expiry changed", rawRequest{presign: 10 * time.Minute, date: now.Add(-11 * time.Minute), tamper: replace("Expires=600", "Expires=6000")}, 403, "SignatureDoesNotMatch"},
		{"signature changed", rawRequest{presign: time.Hour, tamper: func(q string) string { return flip(q) }}, 403, "SignatureDoesNotMatch"},
		{"signature removed", rawRequest{presign: time.Hour, tamper: func(q string) string { return q[:strings.Index(q, "&X-Amz-Signature")] }}, 400, "AuthorizationQueryParametersError"},
		{"parameter added", rawRequest{presign: time.Hour, tamper: func(q string) string { return "a=b&" + q }}, 403, "SignatureDoesNotMatch"},
		{"unknown key", rawRequest{presign: time.Hour, access: "AKIAUNKNOWN000000000"}, 403, "InvalidAccessKeyId"},
		{"used for DELETE", rawRequest{presign: time.Hour, method: "DELETE"}, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.req
			r.path = tg.path(segmentKey)
			if r.method == "" {
				r.method = "GET"
			} else { // signed for GET, sent otherwise
				method := r.method
				r.method = "GET"
				head := tg.head(r)
				res := tg.sendHead(t, strings.Replace(head, "GET ", method+" ", 1), method)
				if res.status != tt.status || res.code != tt.code {
					t.Errorf("%d %s, want %d %s", res.status, res.code, tt.status, tt.code)
				}
				return
			}
			res := tg.do(t, r)
			if res.status != tt.status || res.code != tt.code {
				t.Errorf("%d %s, want %d %s: %s", res.status, res.code, tt.status, tt.code, res.body)
			}
			if (res.body == "secret") != (tt.status == 200) {
				t.Errorf("body %q", res.body)
			}
		})
	}
	head := tg.head(rawRequest{method: "GET", path: tg.path(segmentKey), presign: time.Hour})
	if res := tg.sendHead(t, strings.Replace(head, segmentKey, "other.ts", 1), "GET"); res.status != 403 {
		t.Errorf("presigned for another key: %d", res.status)
	}
	// A range may be asked for with any presigned URL.
	if res := tg.sendHead(t, strings.TrimSuffix(head, "\r\n")+"Range: bytes=1-3\r\n\r\n", "GET"); res.status != 206 || res.body != "ecr" {
		t.Errorf("presigned with Range: %d %q", res.status, res.body)
	}
	if len(tg.keys(t)) != 2 {
		t.Error("an object is gone")
	}
}

// flip changes the last character, which is of the signature.
func flip(q string) string {
	last := byte('0')
	if q[len(q)-1] == '0' {
		last = '1'
	}
	return q[:len(q)-1] + string(last)
}

// TestOriginalSDKRequest sends the PUT of the 2021 C SDK (facts/original-sdk.md section 3): `range` is signed with an empty value
// and never sent, there are no spaces after the commas of Authorization and no Content-Type, and the Host names the bucket.
func TestOriginalSDKRequest(t *testing.T) {
	body := randomBytes(300_000, 7)
	base := rawRequest{method: "PUT", body: body, tight: true, headers: map[string]string{"range": ""}}
	for _, tt := range []struct {
		name   string
		change func(*rawRequest)
	}{
		{"plain", func(*rawRequest) {}},
		{"with tags", func(r *rawRequest) { r.headers["x-amz-tagging"] = "camera=front" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tg := newTarget(t)
			r := base
			r.headers = map[string]string{"range": ""}
			tt.change(&r)
			r.path = tg.path(segmentKey)
			if res := tg.do(t, r); res.status != 200 {
				t.Fatalf("path style: %d %s", res.status, res.body)
			}
			if got := tg.do(t, rawRequest{method: "GET", path: tg.path(segmentKey)}); got.body != body {
				t.Errorf("%d, %d bytes, want %d", got.status, len(got.body), len(body))
			}
			tg.needEmbedded(t)
			_, port, _ := strings.Cut(tg.host, ":")
			r.host = tg.bucket + ".localhost:" + port
			r.path = "/" + tg.prefix + "virtual/" + segmentKey
			if res := tg.do(t, r); res.status != 200 {
				t.Fatalf("virtual-host style: %d %s", res.status, res.body)
			}
			if got := tg.do(t, rawRequest{method: "GET", path: tg.path("virtual/" + segmentKey)}); got.body != body {
				t.Errorf("%d, %d bytes, want %d", got.status, len(got.body), len(body))
			}
		})
	}
}
