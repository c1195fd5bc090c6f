// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
)

// world is one server, its cameras and its viewers, and everything between them that can fail.
type world struct {
	t       testing.TB
	rnd     *rand.Rand
	disk    *disk
	server  *server
	cameras []*camera
	agent   *agent
	viewers []*viewer
	links   map[string]*link // by what they join
	fronts  []*front
	began   time.Time
	lost    atomic.Int64 // see viewer
	unkept  bool         // since the server was started there was a time in which it could write no files

	mu     sync.Mutex
	events map[string]int
}

// TestNothingAcknowledgedIsLost plays random faults of every part at once. Afterwards the auditor says: what was acknowledged is stored, what is missing was
// counted by its camera, no object is corrupt or cut, and each playlist was legal at each moment.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	programs(t)
	w := newWorld(t)
	run, stop := context.WithCancel(t.Context())
	var filming, watching sync.WaitGroup
	for _, c := range w.cameras {
		filming.Go(func() {
			if err := c.film(run); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
	filming.Go(func() {
		if err := w.agent.film(run); err != nil {
			t.Errorf("the agent's encoder: %v", err)
		}
	})
	look, blind := context.WithCancel(t.Context())
	for _, v := range w.viewers {
		watching.Go(func() { v.watch(look) })
	}
	most := w.watchMemory(look, &watching)
	took := length(t, 40*time.Second)
	w.chaos(took)
	w.heal()
	stop()
	filming.Wait()
	w.drain()
	time.Sleep(3 * time.Second) // viewers see the end
	blind()
	watching.Wait()
	w.audit(took, most())
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, rnd: random(t), links: map[string]*link{}, events: map[string]int{}, began: time.Now()}
	w.disk = newDisk(t, 1024)
	w.server = newServer(t, w.disk.dir+"/data")
	ca := newAuthority(t)
	join := func(what, target string) *link {
		l := newLink(t, target, w.rnd.Uint64())
		w.links[what] = l
		return l
	}
	behind := join("fronts to store", w.server.s3)
	for _, k := range kinds {
		var f *front
		target := w.server.s3
		if k.front {
			pair := &ca.pair
			if !k.secure {
				pair = nil
			}
			f = newFront(t, behind.addr(), pair, w.rnd.Uint64())
			w.fronts, target = append(w.fronts, f), f.addr
		}
		w.cameras = append(w.cameras, newCamera(t, k, join(k.name, target), f, ca.pool))
	}
	f := newFront(t, behind.addr(), &ca.pair, w.rnd.Uint64())
	w.fronts = append(w.fronts, f)
	w.agent = newAgent(t, "agent", "https://"+join("agent", f.addr).addr(), ca.file)
	viewers := join("viewers to web", w.server.web)
	for _, c := range append(w.names(), "agent") {
		w.viewers = append(w.viewers, newViewer(c, viewers.addr(), &w.lost))
	}
	return w
}

func (w *world) names() (out []string) {
	for _, c := range w.cameras {
		out = append(out, c.name)
	}
	return out
}

func (w *world) event(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[name]++
}

// between is a random time.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rnd.Int64N(int64(b-a)))
}

// chaos runs for a while.
func (w *world) chaos(length time.Duration) {
	end := time.Now().Add(length)
	names := make([]string, 0, len(w.links))
	for n := range w.links {
		names = append(names, n)
	}
	slices.Sort(names)
	plain := map[string]bool{"sdk-straight": true, "put-plain": true, "fronts to store": true, "viewers to web": true}
	restart := time.NewTimer(0)
	<-restart.C
	for time.Now().Before(end) {
		time.Sleep(min(w.between(100*time.Millisecond, 900*time.Millisecond), max(0, time.Until(end))))
		name := names[w.rnd.IntN(len(names))]
		l := w.links[name]
		switch what := w.rnd.IntN(100); {
		case what < 10:
			w.event("latency and bandwidth")
			delay, rate := w.between(0, 120*time.Millisecond), []int64{0, 30_000, 60_000, 150_000, 1_000_000}[w.rnd.IntN(5)]
			if name == "viewers to web" || name == "fronts to store" {
				rate *= 5 // several share it
			}
			l.change(func() { l.delay, l.rate = delay, rate })
		case what < 18:
			w.event("reset")
			l.cut()
		case what < 25:
			w.event("half close")
			l.half(w.rnd.IntN(2) == 0)
		case what < 32:
			w.event("refused")
			l.change(func() { l.refuse = true })
			l.cut()
			w.later(w.between(200*time.Millisecond, 4*time.Second), func() { l.change(func() { l.refuse = l.closed }) })
		case what < 40:
			w.event("stalled")
			l.change(func() { l.hang = true })
			w.later(w.between(200*time.Millisecond, 6*time.Second), func() { l.change(func() { l.hang = false }) })
		case what < 50:
			w.event("corrupted")
			share := 0.2 + 0.8*w.rnd.Float64()
			// Without TLS nothing protects answers; the payload's hash and CRC protect the way up.
			l.change(func() {
				l.up = share
				if !plain[name] {
					l.down = share
				}
			})
			w.later(w.between(500*time.Millisecond, 3*time.Second), func() { l.change(func() { l.up, l.down = 0, 0 }) })
		case what < 62:
			w.event("bad answers")
			f := w.fronts[w.rnd.IntN(len(w.fronts))]
			f.set(0.2 + 0.8*w.rnd.Float64())
			w.later(w.between(500*time.Millisecond, 5*time.Second), func() { f.set(0) })
		case what < 70:
			w.event("clock step")
			steps := []time.Duration{0, time.Second, -time.Second, 10 * time.Second, -10 * time.Second, 20 * time.Minute, -20 * time.Minute, time.Hour, -time.Hour}
			w.cameras[w.rnd.IntN(len(w.cameras))].step.Store(int64(steps[w.rnd.IntN(len(steps))]))
		case what < 76:
			w.event("agent killed")
			if err := w.agent.kill(); err != nil {
				w.t.Fatal(err)
			}
		case what < 84:
			w.event("server killed")
			w.killServer()
			time.Sleep(w.between(0, 2*time.Second))
			if err := w.server.start(); err != nil {
				w.t.Fatal(err)
			}
		case what < 90:
			if !w.disk.mounted() {
				continue
			}
			w.event("disk full")
			w.unkept = true
			if err := w.disk.fill(w.rnd.Int64N(200_000)); err != nil {
				w.t.Errorf("fill the disk: %v", err)
			}
			time.Sleep(w.between(500*time.Millisecond, 3*time.Second))
			if err := w.disk.empty(); err != nil {
				w.t.Errorf("empty the disk: %v", err)
			}
		case what < 95:
			if w.disk.kind != "ext4" {
				continue
			}
			w.event("disk turned read-only")
			w.unkept = true
			if err := w.disk.fail(); err != nil {
				w.t.Errorf("make the disk fail: %v", err)
			}
			time.Sleep(w.between(500*time.Millisecond, 3*time.Second))
			w.killServer()
			if err := w.disk.repair(); err != nil {
				w.t.Fatal(err)
			}
			if err := w.server.start(); err != nil {
				w.t.Fatal(err)
			}
		default:
			w.event("no file descriptors")
			w.unkept = true
			if err := w.server.limitFiles(uint64(w.server.files() + w.rnd.IntN(3))); err != nil {
				w.t.Errorf("limit files: %v", err)
			}
			time.Sleep(w.between(500*time.Millisecond, 3*time.Second))
			if err := w.server.limitFiles(1 << 20); err != nil {
				w.t.Errorf("limit files: %v", err)
			}
		}
	}
}

// killServer is kill -9.
func (w *world) killServer() {
	if w.unkept {
		w.lost.Add(1) // before and after: what a viewer is being sent now belongs to neither
	}
	w.server.kill()
	if w.unkept {
		w.unkept = false
		w.lost.Add(1)
	}
}

// later does something at its time, before the audit at the latest.
func (w *world) later(d time.Duration, f func()) {
	timer := time.AfterFunc(d, f)
	w.t.Cleanup(func() { timer.Stop() })
}

// heal sets everything right.
func (w *world) heal() {
	for _, l := range w.links {
		l.heal()
	}
	for _, f := range w.fronts {
		f.set(0)
	}
	for _, c := range w.cameras {
		c.step.Store(0)
	}
}

// drain lets every camera store what it still holds.
func (w *world) drain() {
	for end := time.Now().Add(7 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		w.heal() // timers of the chaos may still come
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var closing sync.WaitGroup
	for _, c := range w.cameras {
		closing.Go(func() { c.up.Close(ctx) }) // its error is what the audit counts
	}
	closing.Wait()
	for _, c := range w.cameras {
		if st := c.up.Stats(); st.DroppedClosed.Segments > 0 {
			w.t.Errorf("%s could not store %d segments although everything works again: %s", c.name, st.DroppedClosed.Segments, st.LastError)
		}
	}
}

// watchMemory samples what the server takes until ctx ends.
func (w *world) watchMemory(ctx context.Context, wg *sync.WaitGroup) func() int {
	most := 0
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(250 * time.Millisecond):
				most = max(most, memory(w.server.pid(), "VmRSS"))
			}
		}
	})
	return func() int { return most }
}

func (w *world) audit(took time.Duration, rss int) {
	t := w.t
	status := w.agent.drain(90 * time.Second)
	w.agent.stop(90 * time.Second)
	replayed := w.replay()
	w.server.kill()
	have := holdings(t, w.server.bucketDir())
	var report strings.Builder
	fmt.Fprintf(&report, "%v on %s, server at most %d kB RSS, events %v\n", took, w.disk.kind, rss, w.events)
	acked, objects := 0, 0
	for _, c := range w.cameras {
		acked += len(c.book.acked)
		fmt.Fprintln(&report, c.audit(t, have[c.name]))
	}
	fmt.Fprintln(&report, w.agent.audit(t, status, have["agent"]))
	seen := 0
	for _, f := range w.fronts {
		seen += f.audit(t, have)
	}
	made := map[string]int{}
	for _, f := range w.fronts {
		for k, n := range f.made {
			made[k] += n
		}
	}
	for camera, l := range have {
		objects += len(l)
		for _, s := range l {
			if got, ok := replayed[s.key]; !ok {
				t.Errorf("%s is stored, and the replay of %s does not list it", s.key, camera)
			} else if got != s.body {
				t.Errorf("%s is stored as %+v and delivered as %+v", s.key, s.body, got)
			}
		}
	}
	fmt.Fprintf(&report, "%d segments acknowledged to cameras, %d by the store, %d objects, each in the replay with its bytes; bad answers made: %v\n", acked, seen, objects, made)
	for _, v := range w.viewers {
		fmt.Fprintf(&report, "viewer of %s: %d playlists, %d segments; %v\n", v.camera, v.polls, len(v.seen), v.answers)
		for _, p := range v.problems[:min(3, len(v.problems))] {
			t.Errorf("viewer of %s, of %d problems: %s", v.camera, len(v.problems), p)
		}
		by := map[string]body{}
		for _, s := range have[v.camera] {
			by[s.key] = s.body
		}
		for key, b := range v.seen {
			if by[key] != b {
				t.Errorf("a viewer was given %s as %+v, and it is stored as %+v", key, b, by[key])
			}
		}
		if v.polls == 0 || len(v.seen) == 0 {
			t.Errorf("the viewer of %s saw %d playlists and %d segments: the test means nothing", v.camera, v.polls, len(v.seen))
		}
	}
	for _, l := range w.links {
		made["damaged pieces"] += l.damaged
	}
	fmt.Fprintf(&report, "windows may have been lost with the server %d times\n", w.lost.Load())
	fmt.Fprintf(&report, "%d damaged pieces; %s", made["damaged pieces"], decodeSample(t, have, 4))
	t.Log("\n" + report.String())
	if rss > 250<<10 {
		t.Errorf("the server took %d kB", rss)
	}
	if t.Failed() {
		t.Logf("the server said:\n%s\nthe agent said:\n%s", w.server.said.tail(5000), w.agent.said.tail(3000))
	}
}

// replay fetches the replay of each camera and every segment in it.
func (w *world) replay() map[string]body {
	got := map[string]body{}
	for _, camera := range append(w.names(), "agent") {
		v := newViewer(camera, w.server.web, &w.lost)
		q := url.Values{"camera_id": {camera}, "start": {fmt.Sprint(w.began.Add(-2 * time.Hour).Unix())}, "end": {fmt.Sprint(time.Now().Add(2 * time.Hour).Unix())}}
		resp, err := http.Get("http://" + w.server.web + "/replay.m3u8?" + q.Encode())
		if err != nil {
			w.t.Error(err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		p, perr := hls.Parse(text)
		if err != nil || perr != nil || resp.StatusCode != 200 {
			w.t.Errorf("replay of %s: %s %v %v %.300s", camera, resp.Status, err, perr, text)
			continue
		}
		if err := p.Validate(); err != nil {
			w.t.Errorf("replay of %s: %v", camera, err)
		}
		for _, s := range p.Segments {
			key := strings.TrimPrefix(strings.TrimPrefix(s.URI, "/"), "segments/")
			if data, ok := v.get(context.Background(), "/"+strings.TrimPrefix(s.URI, "/"), "segment"); ok {
				got[key] = body{len(data), crcOf(data)}
			} else {
				w.t.Errorf("%s is listed and cannot be had: %v", key, v.answers)
			}
		}
		v.client.CloseIdleConnections()
	}
	return got
}
