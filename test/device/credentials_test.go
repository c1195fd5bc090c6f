// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func temporary(n int) keyPair {
	return keyPair{access: fmt.Sprintf("ASIADEVICETEST%06d", n), secret: fmt.Sprintf("secret-of-key-%d/+secret-of-key", n), token: fmt.Sprintf("token-of-key-%d/+token==", n)}
}

// Credentials that change every 200 us while segments are uploaded never give a request with parts of two. In the original 24 of 400
// requests were spoiled.
func TestRotationDuringUploads(t *testing.T) {
	t.Parallel()
	b := build(t, raced)
	c := encode(t, encoded{seconds: 12, gop: 25, kbps: 800, size: "320x240", noise: 30})
	s := newStore(t)
	f := newFront(t, s, leaf{})
	l := newLink(t, f.addr)
	l.setRate(2_000_000)
	keys := make([]keyPair, 8)
	for i := range keys {
		keys[i] = temporary(i)
		s.accounts.add(keys[i])
	}
	const seconds = 10
	main := newScript(t).initialize(4<<20, region, bucketName, prefix, l.addr).credential(keys[0]).start().zero().op('G')
	feed{clip: c, frames: 25 * seconds, speed: 1}.write(main).op('J').finalize()
	rotate := newScript(t)
	for n := range seconds * 4000 {
		rotate.credential(keys[n%len(keys)]).sleep(200 * time.Microsecond)
	}
	p := b.play(t, newDevice(t, s.ca, "S3CAM_SEGMENT=1s").env, main, rotate)
	r := &result{clip: c, fed: 25 * seconds, store: s, outcome: p.wait(2 * time.Minute)}
	p.gone(time.Minute)
	r.audit = inspect(t, s.objects(t, prefix), c)
	r.complete(t)
	used := map[string]bool{}
	for _, q := range f.seen() {
		if q.method != "PUT" { // it asks for the time, and signs nothing
			continue
		}
		if q.status != 200 {
			t.Errorf("%s signed by %s: %d", q.key, q.access, q.status)
		}
		used[q.access] = true
	}
	if len(used) < 2 {
		t.Errorf("only %d of the keys were used", len(used))
	}
	checkQuiet(t, r.output, keys...)
	if t.Failed() {
		t.Logf("the device said:\n%s", r.output)
	}
}

// A key that stops working is replaced by the firmware; what was recorded meanwhile is kept.
func TestExpiredKeyIsReplaced(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	s := newStore(t)
	old, fresh := temporary(1), temporary(2)
	s.accounts.add(fresh) // old is not known: 403 InvalidAccessKeyId
	l := newLink(t, s.host)
	sc := newScript(t).initialize(1<<20, region, bucketName, prefix, l.addr).credential(old).start().zero()
	feed{clip: c, frames: 125, speed: 1}.write(sc).credential(fresh)
	feed{clip: c, from: 125, frames: 50, speed: 1}.write(sc.zero()).finalize()
	p := b.play(t, newDevice(t, s.ca, "S3CAM_SEGMENT=1s").env, sc)
	r := &result{clip: c, fed: 175, store: s, outcome: p.wait(time.Minute)}
	p.gone(time.Minute)
	r.audit = inspect(t, s.objects(t, prefix), c)
	r.complete(t)
	checkQuiet(t, r.output, old, fresh)
	if t.Failed() {
		t.Logf("the device said:\n%s", r.output)
	}
}

// By default nothing at all is printed; the original printed the signature and the token with each upload. With the log on, no secret
// is in it.
func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	for _, log := range []string{"", "debug"} {
		t.Run("log "+log, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			k := temporary(3)
			s.accounts.add(k)
			l := newLink(t, s.host)
			l.refuse()
			time.AfterFunc(3*time.Second, l.up)
			var env []string
			for _, e := range newDevice(t, s.ca).env {
				if !strings.HasPrefix(e, "S3CAM_LOG") {
					env = append(env, e)
				}
			}
			if log != "" {
				env = append(env, "S3CAM_LOG=stderr", "S3CAM_LOG_LEVEL="+log)
			}
			sc := newScript(t).initialize(1<<20, region, bucketName, prefix, l.addr).credential(k).tag("a=b").start().zero()
			feed{clip: c, frames: 100, speed: 1}.write(sc).finalize()
			p := b.play(t, env, sc)
			r := &result{clip: c, fed: 100, store: s, outcome: p.wait(time.Minute)}
			p.gone(time.Minute)
			r.audit = inspect(t, s.objects(t, prefix), c)
			r.complete(t)
			checkQuiet(t, r.output, k)
			if log == "" && strings.TrimSpace(r.output) != "" {
				t.Errorf("without settings for the log this was printed:\n%s", r.output)
			}
			if log != "" && r.output == "" {
				t.Error("with the log on nothing was printed")
			}
		})
	}
}

// checkQuiet fails the test when a secret is in the output.
func checkQuiet(t *testing.T, output string, keys ...keyPair) {
	t.Helper()
	for _, k := range keys {
		for what, v := range map[string]string{"secret key": k.secret, "token": k.token} {
			if v != "" && strings.Contains(output, v) {
				t.Errorf("the output shows a %s", what)
			}
		}
	}
	for _, w := range []string{"Signature=", "AWS4-HMAC"} {
		if strings.Contains(output, w) {
			t.Errorf("the output shows %s", w)
		}
	}
}
