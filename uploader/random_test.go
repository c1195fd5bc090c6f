// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/uploader"
)

// script reads decisions from bytes, zero when they are used up.
type script struct{ b []byte }

func (s *script) next() int {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return int(v)
}

// pick returns 0..n-1.
func (s *script) pick(n int) int { return s.next() % n }

// oracle is what a random run knows about its own input.
type oracle struct {
	t         *testing.T
	bucket    *bucket
	flash     *flash // nil: none
	answers   script
	lied      map[string]bool // stored although an error was answered
	tried     map[string]bool
	mu        sync.Mutex
	stored    []uploader.Stored
	backfills int64
	doubtful  bool // the oldest item of the spool may be stored already, under another name
	perReason map[uploader.DropReason]int64
}

// Put takes the bytes of an object as the script says, at once or piece by piece, and sometimes from the start again.
func (o *oracle) Put(ctx context.Context, obj *uploader.Object) (time.Time, error) {
	if o.answers.pick(4) == 1 {
		return o.bucket.Put(ctx, obj)
	}
	var data []byte
	for len(data) < obj.Size {
		k := o.answers.next()
		if k == 1 || k == 2 {
			if !obj.Again() {
				return time.Time{}, errors.New("cut, and part of it is gone")
			}
			data = data[:0]
		}
		n := min(obj.Size/10+1+o.answers.next()*o.answers.next(), obj.Size-len(data))
		data = appendFrom(data, obj.Parts, n)
		obj.Sent(len(data))
		select {
		case <-time.After(time.Duration(o.answers.next()) * 5 * time.Millisecond):
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
	sent := *obj
	sent.Parts = [2][]byte{data}
	return o.bucket.Put(ctx, &sent)
}

// appendFrom appends the n bytes of parts that follow the first len(data).
func appendFrom(data []byte, parts [2][]byte, n int) []byte {
	at := len(data)
	if first := len(parts[0]); at < first {
		k := min(n, first-at)
		data = append(data, parts[0][at:at+k]...)
		n -= k
	}
	if n > 0 {
		at = len(data) - len(parts[0])
		data = append(data, parts[1][at:at+n]...)
	}
	return data
}

// answer decides how the server behaves.
func (o *oracle) answer(ctx context.Context, obj *uploader.Object, _ int) error {
	first := !o.tried[obj.Key]
	o.tried[obj.Key] = true
	switch o.answers.pick(16) {
	case 1:
		return errors.New("503")
	case 2:
		return uploader.ErrNotSent
	case 3:
		return uploader.ErrRejected
	case 4:
		return uploader.ErrExpiredCredentials
	case 5:
		return uploader.ErrClockSkew
	case 6:
		o.lied[obj.Key] = true
		return errLied
	case 7, 8:
		<-ctx.Done()
		return ctx.Err()
	case 9, 10, 11:
		select {
		case <-time.After(time.Duration(o.answers.next()) * 100 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case 12:
		if first && o.flash == nil { // somebody else's, from before
			o.bucket.occupy(obj.Key)
		}
	}
	return nil
}

// randomRun plays what the bytes say and checks what must hold for any input, any server and any time.
func randomRun(t *testing.T, data []byte) {
	s := &script{data}
	o := &oracle{t: t, lied: map[string]bool{}, tried: map[string]bool{}, perReason: map[uploader.DropReason]int64{}}
	o.bucket = &bucket{t: t, before: o.answer, server: func() time.Time { return now() }}
	cfg := uploader.Config{
		Putter: o, SegmentDuration: time.Duration(1+s.pick(4)) * time.Second, RingBytes: 64<<10 + s.next()*1024, Audio: s.pick(2) == 1,
		OnDrop: func(d uploader.Drop) {
			o.mu.Lock()
			o.perReason[d.Reason]++
			o.mu.Unlock()
		},
		OnStored: func(st uploader.Stored) { // always on the worker
			o.stored = append(o.stored, st)
			if st.Spooled {
				o.backfills++
			}
		},
		RefreshCredentials: func(context.Context) error { return nil },
		UploadJitter:       time.Duration(s.pick(3)-1) * 100 * time.Millisecond,
	}
	var wrong atomic.Int64 // device clock minus true time
	cfg.Now = func() time.Time { return now().Add(time.Duration(wrong.Load())) }
	if s.pick(2) == 1 {
		cfg.Epoch = epoch
	} else {
		wrong.Store(int64([]time.Duration{0, time.Hour, -24 * time.Hour, 5 * time.Second}[s.pick(4)]))
	}
	answers := s.pick(2) // the server is good, or as the bytes say
	if answers == 1 {
		o.answers = script{slices.Clone(data)}
	}
	if s.pick(2) == 1 {
		o.flash = &flash{t: t, cap: int64(s.pick(3)) * 200_000, slow: time.Duration(s.pick(4)) * time.Second}
		troubles := script{slices.Clone(data)}
		if s.pick(2) == 1 {
			o.flash.fail = func(call string) error {
				if troubles.pick(8) == 1 {
					return errNoSpace
				}
				return nil
			}
		}
		cfg.Spool = o.flash
	}
	u := mustNew(t, cfg)
	type fedPicture struct {
		n   int
		idr bool
	}
	var fed []fedPicture
	clock := time.Duration(s.pick(3)) * time.Hour
	audioClock := clock
	gop := 1 + s.pick(40)
	size := 50 + s.next()*8
	accepted := int64(0)
	for n := 0; len(s.b) > 0; n++ {
		op := s.next()
		switch {
		case op < 8:
			clock += time.Duration(s.next()-100) * 100 * time.Millisecond // a jump or a hole
		case op < 10:
			clock -= time.Hour
		case op < 12:
			wrong.Add(int64(s.next()-128) * int64(time.Second))
		case op < 14:
			_ = u.Flush()
		case op < 15:
			u.Retry()
		case op < 16:
			_ = u.SetTags("a=b")
		case op < 17:
			u.Skip(s.pick(4))
		case op < 18:
			time.Sleep(time.Duration(s.next()) * 100 * time.Millisecond)
		case op < 20:
			garbage := s.b[:min(len(s.b), 40)]
			if bytes.Contains(garbage, start4[1:]) {
				break // it may be a picture, of which the judge knows nothing
			}
			if err := u.WriteVideo(uploader.AccessUnit{Data: garbage, PTS: clock, DTS: clock}); err == nil {
				t.Errorf("%x was taken for a picture", garbage)
			}
		case op < 22:
			_ = u.WriteAudio(uploader.AudioFrame{Data: s.b[:min(len(s.b), 40)], PTS: clock})
		case op < 60:
			if err := u.WriteAudio(uploader.AudioFrame{Data: adts(n, 12+s.next()*4), PTS: audioClock}); err != nil {
				t.Fatal(err)
			}
			if audioClock += audioStep; (audioClock - clock).Abs() > 3*time.Second {
				audioClock = clock
			}
		case op < 64:
			size = 50 + s.next()*s.next()/8
		default:
			idr := n%gop == 0 || op > 250
			k := size
			if idr {
				k *= 4
			}
			au := join(start4, slice(idr, n, k))
			if idr && op%4 != 0 {
				au = join(sets(), au)
			}
			if op%5 == 0 {
				au = join(aud, au)
			}
			at := uploader.AccessUnit{Data: au, PTS: clock, DTS: clock}
			if cutAt := s.next() * 2; op%3 == 0 && cutAt < len(au) {
				at.Data, at.Tail = au[:cutAt], au[cutAt:]
			}
			before := u.Stats()
			err := u.WriteVideo(at)
			if err != nil && !errors.Is(err, uploader.ErrTooLarge) && !errors.Is(err, uploader.ErrTime) {
				t.Fatal(err)
			}
			after := u.Stats()
			if err == nil && after.DroppedBeforeIDR == before.DroppedBeforeIDR {
				accepted++
				fed = append(fed, fedPicture{n, idr})
			}
			clock += 40 * time.Millisecond
			time.Sleep(40 * time.Millisecond)
		}
		checkSums(t, u.Stats())
		if t.Failed() {
			return
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(data)%7)*5*time.Second)
	defer cancel()
	err := u.Close(ctx)
	st := u.Stats()
	checkSums(t, st)
	if st.Pending.Segments+st.Open.Segments != 0 || (st.DroppedClosed.Segments > 0) != errors.Is(err, uploader.ErrNotStored) {
		t.Errorf("after Close (%v): %+v", err, st)
	}
	if st.Stored.Segments != int64(len(o.stored))-o.backfills || st.Backfilled.Segments != o.backfills || st.DroppedFull.Segments != o.perReason[uploader.DropRingFull] ||
		st.DroppedTooLarge.Segments != o.perReason[uploader.DropTooLarge] || st.DroppedClosed.Segments != o.perReason[uploader.DropClosed] ||
		st.DroppedCollision.Segments+st.DroppedSpool.Segments != o.perReason[uploader.DropCollision]+o.perReason[uploader.DropSpoolFull]+
			o.perReason[uploader.DropSpoolCorrupt]+o.perReason[uploader.DropRejected] {
		t.Errorf("%d stored, %d of the spool, drops %v reported; counted %+v", len(o.stored), o.backfills, o.perReason, st)
	}
	if o.flash != nil {
		items, n := o.flash.Use()
		if left := o.flash.items; items > 0 && slices.Contains(o.flash.kept, left[0].Key) { // stored or lost, which is counted, but deleting failed
			items, n = items-1, n-int64(left[0].Size)
		}
		if st.SpoolPending.Segments != int64(items) || st.SpoolPending.Bytes != n {
			t.Errorf("%d items of %d bytes are in the spool, counted %+v", items, n, st.SpoolPending)
		}
		o.emptySpool(cfg)
	}

	// What is in the bucket: whole segments, no picture twice or out of order or altered, and exactly what was reported.
	objects := o.bucket.all()
	byKey := map[string]content{}
	for _, obj := range objects {
		byKey[obj.key] = read(t, obj)
	}
	last := ""
	seen := map[int]bool{}
	for _, sd := range o.stored {
		c, ok := byKey[sd.Key]
		if !ok {
			t.Fatalf("%s is reported and not in the bucket", sd.Key)
		}
		delete(byKey, sd.Key)
		if len(c.video) != sd.Frames {
			t.Errorf("%s has %d pictures, %d were reported", sd.Key, len(c.video), sd.Frames)
		}
		if sd.Attempts == 0 || sd.Bytes%188 != 0 {
			t.Errorf("reported %+v", sd)
		}
		if st.Rejected+st.SpoolErrors == 0 && sd.Key <= last && !sd.Spooled { // what waits, or the spool refuses, is overtaken
			t.Errorf("%s is stored after %s", sd.Key, last)
		}
		if !sd.Spooled {
			last = sd.Key
		}
		prev := -1
		for _, v := range c.video {
			info, _ := h264.Inspect(v.data)
			nal := v.data[info.SliceOffset:]
			n := pictureNumber(info.IDR, nal)
			if n <= prev || seen[n] && !(o.doubtful && sd.Spooled) {
				t.Errorf("%s has picture %d after %d", sd.Key, n, prev)
			}
			prev, seen[n] = n, true
			i := slices.IndexFunc(fed, func(f fedPicture) bool { return f.n == n })
			if i < 0 || fed[i].idr != info.IDR {
				t.Errorf("%s has picture %d, which was not taken", sd.Key, n)
			}
			if h := crc32.ChecksumIEEE(nal); h != crc32.ChecksumIEEE(join(start4, slice(info.IDR, n, len(nal)-4))) {
				t.Errorf("%s: picture %d is altered", sd.Key, n)
			}
		}
	}
	for key := range byKey {
		if !o.lied[key] {
			t.Errorf("%s is in the bucket and not reported", key)
		}
	}
}

// emptySpool lets another run upload what is left in the spool to a server that is well.
func (o *oracle) emptySpool(cfg uploader.Config) {
	items, _ := o.flash.Use()
	// Of the oldest the run before may not have learned that it is stored; without a confirmed time it is not known by its name.
	doubtful := 0
	if items > 0 && o.flash.items[0].UnsureRun != 0 && len(o.lied)+len(o.flash.kept) > 0 {
		doubtful, o.doubtful = 1, true
	}
	// Where time went back, two moments have one name, and the footage of one of them has nowhere to go unless it reaches into a free second.
	taken, twice := map[string]bool{}, 0
	for _, obj := range o.bucket.all() {
		taken[obj.key] = true
	}
	for _, it := range o.flash.items {
		if it.UnsureRun == 0 && taken[it.Key] {
			twice++
		}
		taken[it.Key] = true
	}
	o.flash.fail, o.answers = nil, script{}
	before := len(o.stored)
	u := mustNew(o.t, cfg)
	time.Sleep(time.Duration(items+2) * time.Minute)
	mustClose(o.t, u)
	if again := o.stored[before:]; len(again) > 0 && slices.Contains(o.flash.kept, again[0].Key) { // reported once more
		o.stored = slices.DeleteFunc(o.stored[:before], func(s uploader.Stored) bool { return s.Key == again[0].Key })
		o.stored = append(o.stored, again...)
		before = len(o.stored) - len(again)
	}
	st := u.Stats()
	if st.SpoolFound.Segments != int64(items) || st.SpoolPending.Segments != 0 || st.DroppedSpool.Segments > int64(doubtful+twice) ||
		int64(len(o.stored)-before) != int64(items)-st.DroppedSpool.Segments {
		o.t.Errorf("of %d items %d are stored by the next run: %+v", items, len(o.stored)-before, st)
	}
}

func TestRandomInputTimeAndServer(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		rng := newRand(uint64(seed))
		data := make([]byte, 100+rng.IntN(2500))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		synctest.Test(t, func(t *testing.T) { randomRun(t, data) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzUploader(f *testing.F) {
	rng := newRand(99)
	for range 4 {
		data := make([]byte, 600)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Add([]byte{})
	f.Add([]byte("1,00021000A0")) // an unclear answer, then another name, then a collision under it
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) { randomRun(t, data[:min(len(data), 4000)]) })
	})
}

// torn reads the parts of each object slowly, several times, the second time with reports of what it has read, while two threads write as fast as they can into a ring that is much too
// small, and compares with the checksum. Under the race detector the ring is in its sight.
type torn struct {
	t      *testing.T
	rng    *rand.Rand
	stored atomic.Int64
}

func (p *torn) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	sum := func(report bool) uint32 {
		crc, at := uint32(0), 0
		for _, part := range o.Parts {
			for len(part) > 0 {
				n := min(len(part), 1+p.rng.IntN(20000))
				crc = crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), part[:n])
				part = part[n:]
				if at += n; report {
					o.Sent(at)
				}
				runtime.Gosched()
			}
		}
		return crc
	}
	for pass := range 3 {
		if pass == 2 && !o.Again() {
			break
		}
		if got := sum(pass > 0); got != o.CRC32C {
			p.t.Errorf("%s: content has %08x while it is being uploaded, CRC32C is %08x", o.Key, got, o.CRC32C)
		}
	}
	if p.rng.IntN(4) == 0 {
		return time.Time{}, errors.New("cut")
	}
	p.stored.Add(1)
	return time.Time{}, nil
}

func TestUploadIsNeverOverwritten(t *testing.T) {
	p := &torn{t: t, rng: newRand(7)}
	var drops atomic.Int64
	u := mustNew(t, uploader.Config{Putter: p, Epoch: epoch, Audio: true, SegmentDuration: time.Second, RingBytes: 300_000, RetryMin: time.Microsecond, RetryMax: time.Microsecond,
		OnDrop: func(uploader.Drop) { drops.Add(1) }})
	var wg sync.WaitGroup
	var pace atomic.Int64 // of the video, for the audio to keep up
	enough := func() bool { return p.stored.Load() > 200 && drops.Load() > 200 || t.Failed() }
	wg.Go(func() {
		e := &encoder{fps: 25, gop: 25, size: 1500}
		var gop []uploader.AccessUnit
		for range e.gop {
			gop = append(gop, e.next())
		}
		for n := 0; n < 2_000_000 && !enough(); n++ {
			au := gop[n%25]
			au.PTS, au.DTS = e.time(n), e.time(n)
			if err := u.WriteVideo(au); err != nil && !errors.Is(err, uploader.ErrTooLarge) {
				t.Error(err)
			}
			pace.Store(int64(au.PTS))
		}
		pace.Store(-1)
	})
	wg.Go(func() {
		sound := adts(1, 170)
		for at := time.Duration(0); ; {
			now := time.Duration(pace.Load())
			if now < 0 {
				return
			}
			if at > now {
				runtime.Gosched()
				continue
			}
			if err := u.WriteAudio(uploader.AudioFrame{Data: sound, PTS: at}); err != nil {
				t.Error(err)
			}
			at += audioStep
		}
	})
	wg.Wait()
	mustClose(t, u)
	s := u.Stats()
	if p.stored.Load() < 200 || s.DroppedFull.Segments == 0 {
		t.Errorf("stored %d, dropped %d: the test has not tested", p.stored.Load(), drops.Load())
	}
	t.Logf("%d stored, %d dropped complete, %d open, %d retries", s.Stored.Segments, s.DroppedFull.Segments, s.DroppedTooLarge.Segments, s.Retries)
}
