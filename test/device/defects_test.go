// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// scene is a firmware with its device, its uplink and what is to happen.
type scene struct {
	name     string // the defect of the original SDK that is not there, as facts have it
	clip     encoded
	settings []string
	ring     int                           // default 1 MiB
	prefix   string                        // default cam1
	script   func(c *clip, s *script)      // the calls; nil: calls frames of the clip, in real time
	shape    shape                         // of the default script
	seconds  int                           // of the default script, default 5
	audio    bool                          // with sound
	second   func(c *clip, s *script)      // calls of a second thread
	uplink   func(l *link)                 // runs beside the player
	judge    func(t *testing.T, r *result) // default: everything fed is there, every call returned 0
	fed      int                           // frames, when the script is not the default
}

// result is what a scene led to.
type result struct {
	outcome
	clip  *clip
	fed   int
	audit audit
	store *store
	link  *link
}

// complete fails the test unless every picture is in the bucket, once, without a hole, and every call returned 0.
func (r *result) complete(t *testing.T) {
	t.Helper()
	r.ok(t)
	r.stored(t)
}

// stored is complete but for the results of the calls.
func (r *result) stored(t *testing.T) {
	t.Helper()
	if r.audit.frames != r.fed || len(r.audit.holes) > 0 {
		t.Errorf("%d of %d frames are readable, %d holes\n%s", r.audit.frames, r.fed, len(r.audit.holes), &r.audit)
	}
	seen := map[string]bool{}
	for _, k := range r.store.puts() {
		if seen[k] {
			t.Errorf("%s was overwritten", k)
		}
		seen[k] = true
	}
}

func (sc scene) run(t *testing.T, b built) *result {
	t.Helper()
	if sc.clip == (encoded{}) {
		sc.clip = small
	}
	c := encode(t, sc.clip)
	if sc.audio {
		c.sound(t, soundFile(t))
	}
	s := newStore(t)
	l := newLink(t, s.host)
	d := newDevice(t, s.ca, sc.settings...)
	if sc.ring == 0 {
		sc.ring = 1 << 20
	}
	if sc.prefix == "" {
		sc.prefix = prefix
	}
	r := &result{clip: c, fed: sc.fed, store: s, link: l}
	main := newScript(t)
	if sc.script != nil {
		sc.script(c, main.initialize(sc.ring, region, bucketName, sc.prefix, l.addr).credential(rootKey))
	} else {
		if sc.seconds == 0 {
			sc.seconds = 5
		}
		r.fed = sc.seconds * int(c.fps)
		main.initialize(sc.ring, region, bucketName, sc.prefix, l.addr).credential(rootKey).start().zero()
		feed{clip: c, shape: sc.shape, frames: r.fed, speed: 1, audio: sc.audio}.write(main).finalize()
	}
	scripts := []*script{main}
	if sc.second != nil {
		other := newScript(t)
		sc.second(c, other)
		scripts = append(scripts, other)
	}
	p := b.play(t, d.env, scripts...)
	if sc.uplink != nil {
		sc.uplink(l)
	}
	r.outcome = p.wait(2 * time.Minute)
	l.up()
	p.gone(time.Minute)
	root := strings.Trim(sc.prefix, "/")
	if sc.prefix == null {
		root = ""
	}
	objects := s.objects(t, root)
	if sc.prefix == null { // keys begin with the year, which is no camera's name
		root = "root"
		for i := range objects {
			objects[i].key = "root/" + objects[i].key
		}
	}
	r.audit = inspect(t, objects, c)
	for _, o := range r.audit.segments {
		if cam, at, _ := segment.ParseKey(o.key); cam != root || time.Since(at) > 5*time.Minute || time.Until(at) > time.Minute {
			t.Errorf("key %s is not below %q or not of now", o.key, root)
		}
	}
	if strings.Contains(r.output, "DATA RACE") {
		t.Error("the race detector has found something")
	}
	if sc.judge != nil {
		sc.judge(t, r)
	} else {
		r.complete(t)
	}
	if t.Failed() {
		t.Logf("the device said:\n%s", r.output)
	}
	return r
}

var short = encoded{seconds: 12, gop: 12, kbps: 400, size: "320x240", noise: 10}

// Each defect that was measured or read in the original SDK, played against ours. The auditor judges every object of each scene, so that
// partial packets, ghosts, segments that begin with a P picture, missing PCRs, wrong PTS, doubled delimiters, key frames without
// their flag, wrong stream ids and dead audio tracks would fail any of them.
func TestOriginalDefects(t *testing.T) {
	b := build(t, raced)
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			sc.run(t, b)
		})
	}
}

var scenes = []scene{
	{name: "the usual camera: a NAL unit for each item, with sound", audio: true, judge: func(t *testing.T, r *result) {
		r.complete(t)
		if r.audit.audio == 0 {
			t.Error("no sound arrived")
		}
		for _, s := range r.audit.segments[1:] {
			if s.audio == 0 {
				t.Errorf("%s has no sound", s.key)
			}
		}
	}},
	{name: "start codes of three bytes", shape: shortCodes},
	{name: "a whole access unit as one item", shape: wholeUnit},
	{name: "a NAL unit for each call", shape: nalPerCall},
	{name: "parts split inside the start code", shape: splitAt(nalPerItem, 2)},
	{name: "parts split right after the start code", shape: splitAt(nalPerItem, 4)},
	{name: "parts split after the NAL header", shape: splitAt(nalPerItem, 5)},
	{name: "short start codes, split right after them", shape: splitAt(shortCodes, 3)},
	{name: "parts split in the middle of a whole unit", shape: splitAt(wholeUnit, 700)},
	{name: "a delimiter before each picture", shape: func(u unit) [][]item {
		if u.idr {
			return wholeUnit(unit{data: join([]byte{0, 0, 0, 1, 9, 0x10}, u.data)})
		}
		return [][]item{{{first: []byte{0, 0, 0, 1, 9, 0x30}}, {first: u.data}}}
	}},
	{name: "parameter sets before each picture", shape: func() shape {
		var sets []byte // of the last key frame; each scene plays alone
		return func(u unit) [][]item {
			if u.idr {
				sets = nil
				for _, n := range u.nals {
					if k := n[0] & 31; k == 7 || k == 8 {
						sets = join(sets, start4, n)
					}
				}
				return wholeUnit(u)
			}
			return [][]item{{{first: sets}, {first: u.data}}}
		}
	}()},
	{name: "several segments in one second: GOP of 12 at 25 fps", clip: short, settings: []string{"S3CAM_SEGMENT=1s"}},
	{name: "more than ten segments waiting", settings: []string{"S3CAM_SEGMENT=1s"}, seconds: 14, ring: 4 << 20,
		uplink: func(l *link) { l.hang(); time.AfterFunc(13*time.Second, l.up) }},
	{name: "sound before the first picture", audio: true, fed: 125, script: func(c *clip, s *script) {
		s.start().zero()
		for n := range 30 {
			s.audio(uint64((firstStamp-time.Second+time.Duration(n)*c.audioStep)/time.Microsecond), item{first: c.audio[n]})
		}
		feed{clip: c, frames: 125, speed: 1, audio: true}.write(s).finalize()
	}},
	{name: "a prefix without slash, with characters that are encoded", prefix: "building 7/cam+1=a:b@c,d?é#%41&'()*!~"},
	{name: "a prefix with slashes around it", prefix: "/cam1/"},
	{name: "no prefix", prefix: null},
	{name: "a fork between Initialize and Start_Upload", fed: 75, script: func(c *clip, s *script) {
		s.op('D').start().zero()
		feed{clip: c, frames: 75, speed: 1}.write(s).finalize()
	}},
	{name: "no credentials by the first segment", fed: 150, script: func(c *clip, s *script) {
		// A second life without credentials: the first was ended by Finalize before any frame.
		s.finalize()
		s.initialize(1<<20, region, bucketName, prefix, s.endpoint).start().zero()
		feed{clip: c, frames: 100, speed: 1}.write(s)
		s.credential(rootKey)
		feed{clip: c, from: 100, frames: 50, speed: 1}.write(s.zero()).finalize()
	}},
	{name: "Initialize again after Finalize", fed: 200, script: func(c *clip, s *script) {
		s.start().zero()
		feed{clip: c, frames: 100, speed: 1}.write(s).finalize()
		s.initialize(1<<20, region, bucketName, prefix, s.endpoint).credential(rootKey).start().zero()
		feed{clip: c, frames: 100, speed: 1, base: time.Hour}.write(s).finalize()
	}, judge: func(t *testing.T, r *result) {
		r.ok(t)
		if r.audit.frames != 200 || len(r.audit.holes) > 1 {
			t.Errorf("%d of 200 frames\n%s", r.audit.frames, &r.audit)
		}
	}},
	{name: "bad packs are answered", fed: 50, script: func(c *clip, s *script) {
		s.start().zero()
		one := item{first: c.units[0].data}
		s.op('N').op('n')                                            // no pack: video 0, audio 0
		s.badFrame('V', 0, 0, one)                                   // no items: video 1
		s.badFrame('V', 0, 5, one, one, one, one)                    // five: video 2
		s.badFrame('V', 0, 1, item{})                                // no pointer: video 3
		s.badFrame('V', 0, 1<<31, one)                               // video 4
		s.badFrame('V', 0, 1, item{first: one.first, missing: true}) // video 5
		s.badFrame('A', 0, 0, one)                                   // audio 1
		s.badFrame('A', 0, 1, item{})                                // audio 2
		feed{clip: c, frames: 50, speed: 1}.write(s).finalize()
	}, judge: func(t *testing.T, r *result) {
		r.stored(t)
		want := map[string]map[int]int{"video": {0: -2, 1: -2, 2: -2, 3: -2, 4: -2, 5: -2}, "audio": {0: -2, 1: -2, 2: -2}}
		if got := fmt.Sprint(r.codes); got != fmt.Sprint(want) {
			t.Errorf("codes %v, want %v", got, want)
		}
	}},
	{name: "ring of less than a GOP", clip: encoded{seconds: 12, gop: 75, kbps: 4000, size: "640x360", noise: 60}, ring: 1 << 20, seconds: 9, judge: func(t *testing.T, r *result) {
		if r.audit.frames < r.fed && r.full == 0 {
			t.Errorf("%d of %d frames are missing and no Put said so", r.fed-r.audit.frames, r.fed)
		}
		t.Logf("%d of %d frames readable, %d Puts said -4", r.audit.frames, r.fed, r.full)
	}},
	{name: "the ring overflows", clip: encoded{seconds: 12, gop: 25, kbps: 3000, size: "640x360", noise: 60}, settings: []string{"S3CAM_SEGMENT=1s"}, ring: 2 << 20, seconds: 14,
		uplink: func(l *link) { l.hang(); time.AfterFunc(10*time.Second, l.up) }, judge: func(t *testing.T, r *result) {
			if r.full == 0 || r.failed > 0 {
				t.Errorf("%d Puts said -4, %d something else", r.full, r.failed)
			}
			// 2 MiB hold 5 s, of 10: what was recorded last is there, and what is missing is in one piece.
			if len(r.audit.holes) > 1 || r.audit.frames < r.fed-8*25 || r.audit.frames == r.fed {
				t.Errorf("%d of %d frames\n%s", r.audit.frames, r.fed, &r.audit)
			}
			if last := r.audit.segments[len(r.audit.segments)-1]; (last.first+last.frames)%len(r.clip.units) != r.fed%len(r.clip.units) {
				t.Errorf("the last picture is not there\n%s", &r.audit)
			}
		}},
}
