// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/wire"
	"github.com/s3cam/s3cam/segment"
)

// Ten minutes off is good enough for S3's signatures: nobody would complain, and the names would be wrong for good. Each camera has its
// own idea of the time, so each needs to be told.
func TestNoCameraStoresUnderAWrongTime(t *testing.T) {
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute, -50 * 365 * 24 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			b := s3servertest.New(t)
			d := &daemon{t: t, socket: filepath.Join(t.TempDir(), "agent.sock")}
			cfg, err := agent.Load(append(into(b), "--socket", d.socket, "--log", "none"), nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := agent.New(cfg, agent.Options{Now: func() time.Time { return time.Now().Add(off) }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.Run(ctx, nil) }()
			began := time.Now().Add(-2 * time.Second)
			var all []*firmware
			for _, name := range []string{"one", "two", "three"} { // all there before the first upload
				f := d.connect()
				f.hello(wire.Config{Prefix: name})
				f.next(wire.TypeReady)
				all = append(all, f)
			}
			for _, f := range all {
				f.videos(stream(2))
				f.send(wire.AppendStart(nil), nil)
				if c := f.closed(10 * time.Second); c.StoredFrames != 50 {
					t.Errorf("CLOSED = %+v, want 50 stored", c)
				}
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			got, keys := pictures(t, b, "")
			for _, key := range keys {
				if _, at, ok := segment.ParseKey(key); !ok || at.Before(began) || at.After(time.Now().Add(10*time.Second)) {
					t.Errorf("key %s, but it is %v", key, time.Now().UTC())
				}
			}
			if len(got) != 150 {
				t.Errorf("%d pictures are stored, want 50 of each camera", len(got))
			}
		})
	}
}
