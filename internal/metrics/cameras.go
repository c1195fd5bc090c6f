// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/s3cam/s3cam/playback"
)

// otherCameras is the name under which cameras beyond Config.MaxCameras are counted; no camera can have it.
const otherCameras = "(other)"

// skewSegments is over how many segments the clock of a camera is judged: one that was late, or was sent again after an outage,
// says nothing about it, but the one that took the shortest does.
const skewSegments = 16

// longestSegment is the longest distance of two segments that is taken for a length.
const longestSegment = 30 * time.Second

// cameras is the collector of what is known of each camera.
type cameras struct {
	most int
	now  func() time.Time
	mu   sync.Mutex
	byID map[string]*cameraState

	segments, bytes, last, silence, lag, skew, known *prometheus.Desc
}

type cameraState struct {
	segments, bytes int64
	stored          time.Time // when the last segment came
	start           time.Time // of the newest segment
	lag             time.Duration
	late            [skewSegments]time.Duration // arrival after the end of the segment
	n               int64                       // segments seen in late
}

func newCameras(most int, now func() time.Time) *cameras {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &cameras{
		most: most, now: now, byID: map[string]*cameraState{},
		segments: desc("s3cam_camera_segments_total", "Segments of a camera stored since the server started (embedded store only).", "camera"),
		bytes:    desc("s3cam_camera_bytes_total", "Bytes in them.", "camera"),
		last:     desc("s3cam_camera_last_segment_timestamp_seconds", "Start of the newest segment of a camera, by the camera's clock, Unix seconds.", "camera"),
		silence:  desc("s3cam_camera_silent_seconds", "Seconds since the last segment of a camera was stored, or, if it was before the server started or in an external store, since its start.", "camera"),
		lag:      desc("s3cam_camera_lag_seconds", "From the start of the last segment, by the camera's clock, until it was stored: its length and its upload.", "camera"),
		skew:     desc("s3cam_camera_skew_seconds", "The least time from the end of a segment by the camera's clock until it was stored, of the last 16: negative when the clock is ahead, large when it is behind or the uplink too slow.", "camera"),
		known:    desc("s3cam_cameras", "Cameras that are known."),
	}
}

// Stored counts a segment of a camera that starts at start and has just been stored.
func (m *Metrics) Stored(camera string, start time.Time, size int64) {
	m.cameras.stored(camera, start, size)
}

func (c *cameras) state(id string) *cameraState {
	s := c.byID[id]
	if s == nil {
		if len(c.byID) >= c.most {
			id = otherCameras
			if s = c.byID[id]; s != nil {
				return s
			}
		}
		s = &cameraState{}
		c.byID[id] = s
	}
	return s
}

func (c *cameras) stored(id string, start time.Time, size int64) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state(id)
	s.segments++
	s.bytes += size
	s.stored = now
	s.lag = now.Sub(start)
	length := start.Sub(s.start)
	if length > 0 && length <= longestSegment { // else the first one, or after a gap: nothing is known about its length
		s.late[s.n%skewSegments] = s.lag - length
		s.n++
	}
	if start.After(s.start) {
		s.start = start
	}
}

// seen notes when the newest segment of a camera began, as a listing says.
func (c *cameras) seen(id string, start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.state(id); start.After(s.start) {
		s.start = start
	}
}

// Watch lists the cameras at once and then at each interval, until ctx ends: so that a camera that is silent since before the
// server was started is known, and those of an external store are. It costs some two listings per camera; interval 0 means
// only once.
func (m *Metrics) Watch(ctx context.Context, interval time.Duration, list func(context.Context) ([]playback.Camera, error)) {
	for {
		found, err := list(ctx)
		if err != nil && ctx.Err() == nil {
			m.cfg.Logger.Warn("the cameras could not be listed for the metrics", "err", err)
		}
		for _, cam := range found {
			m.cameras.seen(cam.ID, cam.Last)
		}
		if interval <= 0 {
			return
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// Describe implements prometheus.Collector.
func (c *cameras) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.segments, c.bytes, c.last, c.silence, c.lag, c.skew, c.known} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *cameras) Collect(ch chan<- prometheus.Metric) {
	now := c.now()
	type row struct {
		id string
		cameraState
	}
	c.mu.Lock()
	rows := make([]row, 0, len(c.byID))
	for id, s := range c.byID {
		rows = append(rows, row{id, *s})
	}
	c.mu.Unlock()
	for i := range rows {
		r := &rows[i]
		send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64) {
			ch <- prometheus.MustNewConstMetric(d, kind, v, r.id)
		}
		send(c.segments, prometheus.CounterValue, float64(r.segments))
		send(c.bytes, prometheus.CounterValue, float64(r.bytes))
		at := r.stored
		if at.IsZero() {
			at = r.start
		}
		send(c.silence, prometheus.GaugeValue, now.Sub(at).Seconds())
		if r.id == otherCameras {
			continue
		}
		send(c.last, prometheus.GaugeValue, float64(r.start.Unix()))
		if !r.stored.IsZero() {
			send(c.lag, prometheus.GaugeValue, r.lag.Seconds())
		}
		if n := min(r.n, skewSegments); n > 0 {
			send(c.skew, prometheus.GaugeValue, slices.Min(r.late[:n]).Seconds())
		}
	}
	ch <- prometheus.MustNewConstMetric(c.known, prometheus.GaugeValue, float64(len(rows)))
}
