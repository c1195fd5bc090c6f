// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"syscall"
	"testing"
	"time"
)

// Somebody stops the agent that firmware has started, with more than a segment in its ring. It stores that before it goes, and the library,
// which starts the next one, neither kills it meanwhile nor counts as lost what is stored.
func TestAgentIsStopped(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, encoded{seconds: 12, gop: 25, kbps: 2000, size: "320x240", noise: 60})
	s := newStore(t)
	l := newLink(t, s.host)
	l.setRate(1_000_000)
	const seconds, ring = 14, 2 << 20
	sc := newScript(t).initialize(ring, region, bucketName, prefix, l.addr).credential(rootKey).start().zero()
	feed{clip: c, frames: 25 * seconds, speed: 1}.write(sc).op('P', u32(40_000)).finalize()
	p := b.film(t, newDevice(t, s.ca, "S3CAM_SEGMENT=1s").env, sc)
	pid := p.agent(10 * time.Second)
	time.Sleep(6 * time.Second) // half of it waits in the ring
	syscall.Kill(pid, syscall.SIGTERM)
	l.setRate(0)
	o := p.wait(2 * time.Minute)
	p.gone(time.Minute)
	a := inspect(t, s.objects(t, prefix), c)
	book := account(o.output)
	book.balance(t, 0, 25*seconds, a.frames, 0)
	f := book.final[0]
	if o.exit != 0 || f == nil || f.connects != 2 || f.dropped != 0 {
		t.Fatalf("exit %d, final counters %+v, want two connections and nothing dropped\n%s", o.exit, f, o.output)
	}
	// What comes while it drains is refused, and so is the rest of that GOP by the next one.
	if lost := f.lostAgents + f.lostVideo; lost > 25*3 {
		t.Errorf("%d pictures were lost at a stop that had all the time that it needed\n%s\n%s", lost, &a, o.output)
	}
}
