// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// random is the source of what is random in a test; its seed is printed and can be given again.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("S3CAM_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("S3CAM_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("S3CAM_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// The agent is killed again and again in the middle of everything. The library starts it each time; what is lost is counted, each
// time the ring's content at most, and the bucket has whole segments only.
func TestAgentIsKilled(t *testing.T) {
	b := build(t, native)
	c := encode(t, encoded{seconds: 12, gop: 25, kbps: 2000, size: "320x240", noise: 60})
	for _, tt := range []struct {
		name string
		mbit int64 // of the uplink
	}{{"fast uplink", 100}, {"slow uplink, so that the ring fills", 1}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rnd := random(t)
			s := newStore(t)
			l := newLink(t, s.host)
			l.setRate(tt.mbit * 1_000_000)
			const seconds, ring = 24, 2 << 20
			sc := newScript(t).initialize(ring, region, bucketName, prefix, l.addr).credential(rootKey).start().zero()
			feed{clip: c, frames: 25 * seconds, speed: 1}.write(sc).op('P', u32(40_000)).finalize()
			p := b.film(t, newDevice(t, s.ca, "S3CAM_SEGMENT=1s").env, sc)
			var dead []int
			for range 4 {
				pid := p.agent(10*time.Second, dead...)
				time.Sleep(time.Duration(1500+rnd.IntN(3500)) * time.Millisecond)
				if pid != 0 {
					syscall.Kill(pid, syscall.SIGKILL)
					dead = append(dead, pid)
				}
			}
			l.setRate(0)
			o := p.wait(2 * time.Minute)
			p.gone(time.Minute)
			a := inspect(t, s.objects(t, prefix), c)
			book := account(o.output)
			book.balance(t, 0, 25*seconds, a.frames, 0)
			f := book.final[0]
			if o.exit != 0 || o.failed > 0 || f == nil || f.connects != len(dead)+1 {
				t.Errorf("exit %d, %d Puts failed, %d agents killed, final counters %+v", o.exit, o.failed, len(dead), f)
			}
			if f != nil {
				// A ring holds 8 s of this stream; counters come once a second.
				if most := len(dead) * 25 * 10; f.lostAgents > most {
					t.Errorf("%d pictures went down with %d agents, want %d at most", f.lostAgents, len(dead), most)
				}
				if most := len(dead) * 25 * 4; f.lostVideo > most {
					t.Errorf("%d pictures were not taken at %d restarts, want %d at most", f.lostVideo, len(dead), most)
				}
			}
			if o.worst > 500*time.Millisecond {
				t.Errorf("a Put took %v", o.worst)
			}
			if t.Failed() {
				t.Logf("%s\n%s", &a, o.output)
			}
		})
	}
}

// The server is killed while it receives, and comes back: nothing is lost and nothing is half.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	rnd := random(t)
	c := encode(t, encoded{seconds: 12, gop: 25, kbps: 2000, size: "320x240", noise: 60})
	ca := newAuthority(t)
	server := newProcess(t, ca)
	server.link.setRate(6_000_000)
	const seconds = 16
	sc := newScript(t).initialize(4<<20, region, bucketName, prefix, server.link.addr).credential(rootKey).start().zero()
	feed{clip: c, frames: 25 * seconds, speed: 1}.write(sc).op('P', u32(40_000)).finalize()
	p := b.film(t, newDevice(t, ca, "S3CAM_SEGMENT=1s").env, sc)
	for range 5 {
		time.Sleep(time.Duration(1000+rnd.IntN(1500)) * time.Millisecond)
		server.kill()
		time.Sleep(time.Duration(rnd.IntN(1200)) * time.Millisecond)
		server.start()
	}
	o := p.wait(2 * time.Minute)
	p.gone(time.Minute)
	server.kill()
	a := inspect(t, server.objects(t, prefix), c)
	account(o.output).balance(t, 0, 25*seconds, a.frames, 0)
	if o.ok(t); a.frames != 25*seconds || len(a.holes) > 0 {
		t.Errorf("%d of %d frames, %d holes", a.frames, 25*seconds, len(a.holes))
	}
	if t.Failed() {
		t.Logf("%s\n%s", &a, o.output)
	}
}

// The firmware is killed: its agent uploads what it got, and ends.
func TestFirmwareIsKilled(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	s := newStore(t)
	l := newLink(t, s.host)
	l.setRate(1_000_000)
	const fed = 130
	sc := newScript(t).initialize(1<<20, region, bucketName, prefix, l.addr).credential(rootKey).start().zero()
	feed{clip: c, frames: fed, speed: 1}.write(sc).op('K')
	p := b.play(t, newDevice(t, s.ca, "S3CAM_SEGMENT=1s").env, sc)
	p.wait(time.Minute)
	p.gone(time.Minute)
	if a := inspect(t, s.objects(t, prefix), c); a.frames != fed || len(a.holes) > 0 {
		t.Errorf("%d of %d frames\n%s\n%s", a.frames, fed, &a, p.out.String())
	}
}

// The agent is stopped for a while, as by a machine that has no time for it: Puts do not wait, what is not taken is told, and only that is lost.
func TestAgentStandsStill(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, encoded{seconds: 12, gop: 25, kbps: 2000, size: "320x240", noise: 60})
	s := newStore(t)
	const seconds = 14
	sc := newScript(t).initialize(4<<20, region, bucketName, prefix, s.host).credential(rootKey).start().zero()
	feed{clip: c, frames: 25 * seconds, speed: 1}.write(sc).op('P', u32(20_000)).finalize()
	p := b.film(t, newDevice(t, s.ca, "S3CAM_SEGMENT=1s").env, sc)
	pid := p.agent(10 * time.Second)
	time.Sleep(4 * time.Second)
	syscall.Kill(pid, syscall.SIGSTOP)
	time.Sleep(4 * time.Second)
	syscall.Kill(pid, syscall.SIGCONT)
	o := p.wait(time.Minute)
	p.gone(time.Minute)
	a := inspect(t, s.objects(t, prefix), c)
	book := account(o.output)
	book.balance(t, 0, 25*seconds, a.frames, 0)
	if f := book.final[0]; f != nil && (f.connects != 1 || f.lostVideo != o.full) {
		t.Errorf("%d connections, %d pictures lost, %d Puts said -4; want one connection, and one word for each picture", f.connects, f.lostVideo, o.full)
	}
	if o.full == 0 || o.full > 25*7 || o.failed > 0 || o.worst > 300*time.Millisecond {
		t.Errorf("%d Puts said -4, %d something else, the longest took %v", o.full, o.failed, o.worst)
	}
	if t.Failed() {
		t.Logf("%s\n%s", &a, o.output)
	}
}
