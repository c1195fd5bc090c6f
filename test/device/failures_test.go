// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// failure is a server that fails in one way, for a number of requests or for good.
type failure struct {
	name     string
	fault    fault
	requests int // that fail; < 0: all
	end      time.Duration
	leaf     leaf // the server's certificate
	settings []string
	seconds  int  // default 6
	lost     bool // nothing can be stored
	judge    func(t *testing.T, r *result, seen []request)
}

// What the original lost in each row, silently, is kept, unless the server never works: then the firmware is told.
func TestServerFailures(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.run(t, b)
		})
	}
}

var failures = []failure{
	{name: "500 three times", fault: fault{kind: statusAfter, status: 500, code: "InternalError"}, requests: 3},
	{name: "503 SlowDown three times", fault: fault{kind: statusAfter, status: 503, code: "SlowDown", header: http.Header{"Retry-After": {"1"}}}, requests: 3},
	{name: "403 after the body, twice", fault: fault{kind: statusAfter, status: 403, code: "AccessDenied"}, requests: 2, settings: []string{"S3CAM_REJECTED_WAIT=3s"}},
	{name: "403 before the body is read, twice", fault: fault{kind: statusBefore, status: 403, code: "AccessDenied"}, requests: 2, settings: []string{"S3CAM_REJECTED_WAIT=3s"}},
	{name: "503 before the body is read, three times", fault: fault{kind: statusBefore, status: 503, code: "SlowDown"}, requests: 3},
	{name: "cut after 50 kB, five times", fault: fault{kind: cutBody, after: 50_000}, requests: 5},
	{name: "the answer is cut after it was stored", fault: fault{kind: cutAnswer}, requests: 2},
	{name: "accepts and stays silent for 12 s", fault: fault{kind: silence}, requests: -1, end: 12 * time.Second, seconds: 14},
	{name: "reads all and never answers for 12 s", fault: fault{kind: readsOnly}, requests: -1, end: 12 * time.Second, seconds: 14},
	{name: "stores all and never answers for 12 s", fault: fault{kind: storesOnly}, requests: -1, end: 12 * time.Second, seconds: 14},
	{name: "403 for good", fault: fault{kind: statusAfter, status: 403, code: "AccessDenied"}, requests: -1, lost: true, seconds: 12},
	{name: "self-signed certificate of the right name", leaf: leaf{selfSigned: true}, lost: true, seconds: 12, judge: nothingSent},
	{name: "certificate of another name", leaf: leaf{foreign: true, names: []string{"elsewhere.test"}}, lost: true, seconds: 12, judge: nothingSent},
}

// nothingSent fails the test when the server got to see a request: it would have held video, token and tags.
func nothingSent(t *testing.T, _ *result, seen []request) {
	t.Helper()
	if len(seen) > 0 {
		t.Errorf("%d requests reached a server that is not to be trusted", len(seen))
	}
}

func (f failure) run(t *testing.T, b built) {
	c := encode(t, encoded{seconds: 12, gop: 25, kbps: 800, size: "320x240", noise: 30})
	s := newStore(t)
	front := newFront(t, s, f.leaf)
	front.set(f.fault, f.requests)
	l := newLink(t, front.addr)
	d := newDevice(t, s.ca, append([]string{"S3CAM_SEGMENT=1s"}, f.settings...)...)
	if f.seconds == 0 {
		f.seconds = 6
	}
	fed := 25 * f.seconds
	ring := 4 << 20
	if f.lost {
		ring = 512 << 10 // 5 s
		d.env = append(d.env, "S3CAM_DRAIN=2s")
	}
	sc := newScript(t).initialize(ring, region, bucketName, prefix, l.addr).credential(keyPair{access: rootKey.access, secret: rootKey.secret}).tag("site=test&floor=1").start().zero()
	feed{clip: c, frames: fed, speed: 1}.write(sc).finalize()
	p := b.play(t, d.env, sc)
	if f.end > 0 {
		timer := time.AfterFunc(f.end, func() { front.set(fault{}, 0) })
		defer timer.Stop()
	}
	began := time.Now()
	r := &result{clip: c, fed: fed, store: s, link: l, outcome: p.wait(time.Minute)}
	if took := time.Since(began); took > time.Duration(f.seconds)*time.Second+20*time.Second {
		t.Errorf("the program took %v for %d s of video", took, f.seconds)
	}
	if f.lost {
		l.refuse()
	}
	p.gone(90 * time.Second)
	seen := front.seen()
	r.audit = inspect(t, s.objects(t, prefix), c)
	switch {
	case f.lost:
		if len(r.audit.segments) > 0 {
			t.Errorf("%d segments were stored", len(r.audit.segments))
		}
		if r.full == 0 || r.failed > 0 {
			t.Errorf("%d Puts said -4, %d something else; want the firmware to be told, by -4", r.full, r.failed)
		}
	default:
		r.complete(t)
	}
	if n := len(seen); n > 10*f.seconds {
		t.Errorf("%d requests in %d s: no pause between tries", n, f.seconds)
	}
	for _, q := range seen {
		if q.status == 200 && (q.tags != "site=test&floor=1" || q.contentType != "video/mp2t" || q.match != "*") {
			t.Errorf("request %+v: want tags, type and If-None-Match", q)
		}
	}
	if f.judge != nil {
		f.judge(t, r, seen)
	}
	if strings.Contains(r.output, rootKey.secret) {
		t.Error("the log shows the secret key")
	}
	if t.Failed() {
		for _, q := range seen {
			t.Logf("%s %s %s %d of %d bytes: %d", q.at.Format("05.000"), q.method, q.key, q.read, q.length, q.status)
		}
		t.Logf("the device said:\n%s", r.output)
	}
}

// The store says in which region the bucket is; the address stays, since a request must not be led elsewhere by an answer.
func TestRegionAndRedirects(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	for _, tt := range []struct {
		name     string
		region   string
		redirect bool
		stored   int
	}{
		{"a wrong region is corrected by the server's answer", "eu-north-1", false, 100},
		{"a redirect to another host is not followed", region, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			other, first := newFront(t, s, leaf{}), newFront(t, s, leaf{})
			if tt.redirect {
				first.set(fault{kind: statusBefore, status: 307, code: "TemporaryRedirect", header: http.Header{"Location": {"https://" + other.addr + "/"}}}, -1)
			}
			d := newDevice(t, s.ca, "S3CAM_SEGMENT=1s", "S3CAM_DRAIN=2s")
			sc := newScript(t).initialize(1<<20, tt.region, bucketName, prefix, first.addr).credential(rootKey).start().zero()
			feed{clip: c, frames: 100, speed: 1}.write(sc).finalize()
			p := b.play(t, d.env, sc)
			r := &result{clip: c, fed: 100, store: s, outcome: p.wait(time.Minute)}
			p.gone(time.Minute)
			r.audit = inspect(t, s.objects(t, prefix), c)
			r.ok(t)
			if r.audit.frames != tt.stored || len(other.seen()) > 0 {
				t.Errorf("%d frames stored, %d requests at the other server; want %d and none", r.audit.frames, len(other.seen()), tt.stored)
			}
			if t.Failed() {
				t.Logf("%d requests\nthe device said:\n%s", len(first.seen()), r.output)
			}
		})
	}
}
