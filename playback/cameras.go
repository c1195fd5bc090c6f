// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Camera is one camera that has footage.
type Camera struct {
	ID   string
	Last time.Time // start of its newest segment by key
	Live bool      // that was within NearRealtimeReplayPrecedingPeriod
}

const (
	maxDepth   = 4  // elements of a camera id that Cameras finds
	maxDescent = 32 // listings to find the newest segment of one camera
)

// Cameras lists the cameras that have footage, sorted by id: at most MaxCameras of them, which is logged, and only ids of
// up to four elements ("site/floor/cam" has three). It walks folders from the root of the bucket, so it needs the right
// to list there, and costs some two listings per camera that records now and up to eight for another.
func (s *Service) Cameras(ctx context.Context) ([]Camera, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	var cameras []Camera
	now := s.cfg.Now()
	level := []string{""}
	for depth := 0; depth <= maxDepth && len(level) > 0; depth++ {
		var mu sync.Mutex
		var next []string
		err := parallel(ctx, len(level), maxLists, func(ctx context.Context, i int) error {
			id := level[i]
			camera, deeper, err := s.look(ctx, id, now)
			mu.Lock()
			defer mu.Unlock()
			if camera != nil {
				cameras = append(cameras, *camera)
			}
			for _, name := range deeper {
				next = append(next, strings.TrimPrefix(id+"/"+name, "/"))
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list cameras: %w", err)
		}
		slices.Sort(next)
		if len(next) > 4*s.cfg.MaxCameras {
			s.cfg.Logger.Warn("too many folders; some are not looked into for cameras", "folders", len(next), "limit", 4*s.cfg.MaxCameras)
			next = next[:4*s.cfg.MaxCameras]
		}
		level = next
	}
	slices.SortFunc(cameras, func(a, b Camera) int { return strings.Compare(a.ID, b.ID) })
	if len(cameras) > s.cfg.MaxCameras {
		s.cfg.Logger.Warn("more cameras than are listed", "cameras", len(cameras), "limit", s.cfg.MaxCameras)
		cameras = cameras[:s.cfg.MaxCameras]
	}
	return cameras, nil
}

// look finds out whether the folder id (without slash; "" is the root) is a camera, and which folders in it may lead to
// others.
func (s *Service) look(ctx context.Context, id string, now time.Time) (camera *Camera, deeper []string, err error) {
	prefix := ""
	if id != "" {
		if segment.CheckPrefix(id) != nil {
			return nil, nil, nil
		}
		prefix = id + "/"
	}
	var years []string
	err = s.cfg.Store.ListFolders(ctx, prefix, func(name string) bool {
		if id != "" && isNumber(name, 4) {
			years = append(years, name)
		} else {
			deeper = append(deeper, name)
		}
		return len(deeper) <= 4*s.cfg.MaxCameras
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list folders of %q: %w", prefix, err)
	}
	if len(years) == 0 {
		return nil, deeper, nil
	}
	last, ok, err := s.lastSegment(ctx, id, years, now)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, append(deeper, years...), nil // "site/2024/cam1": a year that is none
	}
	camera = &Camera{ID: id, Last: time.Unix(last.key, 0).UTC()}
	camera.Live = now.Sub(camera.Last) <= s.cfg.NearRealtimeReplayPrecedingPeriod
	return camera, deeper, nil
}

// lastSegment finds the newest segment of camera that is not further in the future than a clock may be wrong. Most often
// it is in the last minutes; else the newest folders are descended.
func (s *Service) lastSegment(ctx context.Context, camera string, years []string, now time.Time) (mark, bool, error) {
	from := now.Add(-s.cfg.NearRealtimeReplayPrecedingPeriod).UTC()
	bound := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod).UTC()
	if slices.Contains(years, from.Format("2006")) {
		marks, err := s.recent(ctx, camera, from, now.UTC(), bound, s.cfg.TSClipDuration)
		if err != nil || len(marks) > 0 {
			return lastOf(marks), len(marks) > 0, err
		}
	}
	d := descent{s: s, camera: camera, bound: bound.Format("2006/01/02/15/04"), latest: bound.Unix(), left: maxDescent}
	return d.into(ctx, "", years)
}

func lastOf(marks []mark) (m mark) {
	if len(marks) > 0 {
		m = marks[len(marks)-1]
	}
	return m
}

type descent struct {
	s      *Service
	camera string
	bound  string // no folder whose time is after this one is entered
	latest int64
	left   int // listings
}

// into looks through the folders names, which lie in path ("2026/03"), from the newest on.
func (d *descent) into(ctx context.Context, path string, names []string) (mark, bool, error) {
	for i := len(names) - 1; i >= 0; i-- {
		sub := strings.TrimPrefix(path+"/"+names[i], "/")
		if sub > d.bound[:min(len(sub), len(d.bound))] {
			continue
		}
		if d.left--; d.left < 0 {
			return mark{}, false, nil
		}
		var m mark
		var ok bool
		if len(sub) == len("2006/01/02/15/04") {
			t, err := time.Parse("2006/01/02/15/04", sub)
			if err != nil {
				continue
			}
			m, ok, err = d.minute(ctx, t)
			if err != nil || ok {
				return m, ok, err
			}
			continue
		}
		var inner []string
		folder := d.camera + "/" + sub + "/"
		err := d.s.cfg.Store.ListFolders(ctx, folder, func(name string) bool {
			if isNumber(name, 2) {
				inner = append(inner, name)
			}
			return len(inner) < 100
		})
		if err != nil {
			return mark{}, false, fmt.Errorf("list folders of %q: %w", folder, err)
		}
		if m, ok, err = d.into(ctx, sub, inner); err != nil || ok {
			return m, ok, err
		}
	}
	return mark{}, false, nil
}

func (d *descent) minute(ctx context.Context, t time.Time) (last mark, ok bool, err error) {
	end := t.Add(time.Minute).Unix()
	_, err = d.s.scan(ctx, d.camera, t, after(d.camera, t), 62, func(m mark) bool {
		if m.key >= end || m.key > d.latest {
			return false
		}
		last, ok = m, true
		return true
	})
	return last, ok, err
}

func isNumber(s string, digits int) bool {
	if len(s) != digits {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
