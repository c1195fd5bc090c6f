// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/spool"
	"github.com/s3cam/s3cam/uploader"
)

// bucket keeps what is stored, and is out of reach while it is down.
type bucket struct {
	mu      sync.Mutex
	down    bool
	objects map[string]uint32
}

func (b *bucket) Put(_ context.Context, o *uploader.Object) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return time.Time{}, errors.New("the network is down")
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(crc32.Checksum(o.Parts[0], table), table, o.Parts[1])
	if _, has := b.objects[o.Key]; has {
		return time.Now(), uploader.ErrExists
	}
	if crc != o.CRC32C {
		return time.Now(), errors.New("bad digest")
	}
	b.objects[o.Key] = crc
	return time.Now(), nil
}

// An outage in which the device is restarted twice; in the end the bucket has what it would have without.
func TestTheUploaderLosesNothingInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		direct, late := &bucket{objects: map[string]uint32{}}, &bucket{objects: map[string]uint32{}, down: true}
		left := 0
		for n := range 3 {
			record(t, direct, nil, n)
			left = record(t, late, open(t, spool.Config{Dir: dir}), n)
		}
		if left < 15 || len(late.objects) > 0 {
			t.Errorf("%d segments are on flash after the outage, %d in the bucket", left, len(late.objects))
		}
		late.down = false
		record(t, direct, nil, 3)
		if left = record(t, late, open(t, spool.Config{Dir: dir}), 3); left > 0 {
			t.Errorf("%d segments are still on flash", left)
		}
		if !maps.Equal(late.objects, direct.objects) || len(direct.objects) < 20 {
			t.Errorf("with an outage there are\n%q, without\n%q", slices.Sorted(maps.Keys(late.objects)), slices.Sorted(maps.Keys(direct.objects)))
		}
	})
}

// record uploads 20 s of minute n and returns how many segments are on flash when the device is switched off.
func record(t *testing.T, b *bucket, s *spool.Spool, n int) (left int) {
	t.Helper()
	cfg := uploader.Config{Prefix: "cam1", Putter: b, Epoch: time.Date(2026, 3, 9, 4, n, 0, 0, time.UTC), RingBytes: 512 << 10, UploadJitter: -1, Audio: true}
	if s != nil {
		cfg.Spool = s
	}
	u, err := uploader.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	reel, err := simcam.FrontDoor().Recording(20 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; {
		unit, err := reel.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(unit.At - time.Since(start))
		if unit.Video {
			err = u.WriteVideo(uploader.AccessUnit{Data: unit.Data, PTS: unit.At, DTS: unit.At})
		} else {
			err = u.WriteAudio(uploader.AudioFrame{Data: unit.Data, PTS: unit.At})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = u.Close(ctx)
	if st := u.Stats(); st.Dropped().Segments > 0 {
		t.Errorf("life %d: %v; %+v", n, err, st)
	}
	if s == nil {
		return 0
	}
	left, _ = s.Usage()
	s.Close()
	return left
}
