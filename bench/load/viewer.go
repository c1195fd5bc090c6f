// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/segment"
)

const (
	liveEdge      = 3 // segments from the end that a player begins at
	viewerTimeout = 30 * time.Second
)

// viewer plays one camera live.
type viewer struct {
	web    string
	camera *camera
	http   *http.Client
	sum    *sums
	wait   time.Duration // before the first request

	reloads hlstest.Reloads
	next    int64 // media sequence number of the segment to fetch next
	polls   int
	buf     []byte
}

func newViewer(web string, c *camera, sum *sums, wait time.Duration) *viewer {
	return &viewer{web: web, camera: c, sum: sum, wait: wait, next: -1, buf: make([]byte, 64<<10), http: &http.Client{
		Timeout: viewerTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1, MaxConnsPerHost: 1, WriteBufferSize: 1 << 10, ReadBufferSize: 16 << 10},
	}}
}

// run plays until ctx ends; a request that is under way is finished.
func (v *viewer) run(ctx context.Context) {
	defer v.http.CloseIdleConnections()
	timer := time.NewTimer(v.wait)
	defer timer.Stop()
	changes := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		asked := time.Now()
		p, err := v.poll()
		if err != nil {
			v.sum.trouble("playlist", fmt.Errorf("%s: %w", v.camera.id, err))
			timer.Reset(v.camera.length)
			continue
		}
		pause := time.Duration(p.TargetDuration) * time.Second
		if v.reloads.Changes == changes {
			pause /= 2
		}
		changes = v.reloads.Changes
		v.play(p)
		timer.Reset(time.Until(asked.Add(pause)))
	}
}

// get reads a body whole, into dst or to nowhere, and says how long it was.
func (v *viewer) get(path string, dst io.Writer) (int64, time.Duration, error) {
	begin := time.Now()
	resp, err := v.http.Get(v.web + "/" + path)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(dst, struct{ io.Reader }{resp.Body}, v.buf)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return n, time.Since(begin), err
}

func (v *viewer) poll() (hls.Playlist, error) {
	var text strings.Builder
	_, took, err := v.get("playlist.m3u8?camera_id="+v.camera.id, &text)
	if err != nil {
		return hls.Playlist{}, err
	}
	v.sum.playlist.add(took)
	v.polls++
	p, err := hls.Parse([]byte(text.String()))
	if err == nil {
		err = v.reloads.AddPlaylist(p)
	}
	return p, err
}

// nowhere takes what is written to it. Unlike io.Discard it has no ReadFrom, so that the viewer's buffer is used.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// play fetches what is new.
func (v *viewer) play(p hls.Playlist) {
	if v.next < 0 {
		v.next = p.MediaSequence + int64(max(0, len(p.Segments)-liveEdge))
	}
	for ; v.next < p.MediaSequence+int64(len(p.Segments)); v.next++ {
		if v.next < p.MediaSequence {
			v.sum.trouble("a viewer fell out of the window", errors.New(v.camera.id))
			v.next = p.MediaSequence
		}
		uri := p.Segments[v.next-p.MediaSequence].URI
		n, took, err := v.get(uri, nowhere{})
		switch {
		case err != nil:
			v.sum.trouble("segment", fmt.Errorf("%s: %w", uri, err))
		case n != int64(len(v.camera.body)):
			v.sum.trouble("segment of another size", fmt.Errorf("%s: %d bytes instead of %d", uri, n, len(v.camera.body)))
		default:
			v.sum.segment.add(took)
		}
	}
}

// judge compares what the viewer was shown with what the camera knows to be stored. The camera must have ended.
func (v *viewer) judge() {
	uris, _ := v.reloads.URIs()
	if v.polls == 0 || len(uris) == 0 {
		v.sum.trouble("a viewer saw nothing", errors.New(v.camera.id))
		return
	}
	if v.reloads.Jumps > 0 {
		v.sum.trouble("a playlist jumped", fmt.Errorf("%s: %d times", v.camera.id, v.reloads.Jumps))
	}
	var shown []time.Time
	for _, uri := range uris {
		_, start, ok := segment.ParseKey(uri)
		if !ok {
			v.sum.trouble("an address that is no segment's", errors.New(uri))
			return
		}
		shown = append(shown, start)
	}
	from, ok := slices.BinarySearchFunc(v.camera.stored, shown[0], time.Time.Compare)
	if !ok || !slices.EqualFunc(shown, v.camera.stored[from:min(from+len(shown), len(v.camera.stored))], time.Time.Equal) {
		v.sum.trouble("a viewer was not shown what was stored", fmt.Errorf("%s: %d segments from %v", v.camera.id, len(shown), shown[0]))
	}
}
