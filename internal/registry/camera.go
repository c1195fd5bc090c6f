// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/segment"
)

// Bounds and defaults.
const (
	MaxCameras = 10_000 // a file of about 5 MB

	// DefaultGrace is for how long a camera may store an object once more. A device without If-None-Match repeats an upload
	// whose answer it did not hear; with growing pauses that is over in minutes.
	DefaultGrace = 10 * time.Minute
	// DefaultMaxObject is 60 s, the longest segment, of 9 Mbit/s, or 3 s of 180 Mbit/s.
	DefaultMaxObject = 64 << 20
	// DefaultBackFill is how old a segment may be that comes out of a spool. A card of 128 GB holds 71 hours of 4 Mbit/s; the
	// rest is for cameras that record by events only and come home after a holiday.
	DefaultBackFill = 31 * 24 * time.Hour
	// MaxAhead is how far in the future a segment may begin. A clock that is off by more cannot sign a request either.
	MaxAhead = 15 * time.Minute
	// MaxUploads is how many objects of one camera may be on their way at a time. An agent has one connection for live and one
	// for back-fill; the rest is for those that the server still waits for after the network has changed.
	MaxUploads = 8
	// DefaultOverlap is for how long an old key is good beside the new one.
	DefaultOverlap = 24 * time.Hour
)

// What went wrong, for errors.Is. The errors have a remedy ([hint.Of]).
var (
	ErrName   = errors.New("name of a camera") // not allowed
	ErrExists = errors.New("camera exists")
	ErrAbsent = errors.New("no such camera")
	ErrLimit  = errors.New("limit")
)

func fail(kind error, advice, format string, args ...any) error {
	return hint.Errorf(kind, advice, format, args...)
}

// Limits of one camera; zero means the default. How long its footage is kept is package retention's.
type Limits struct {
	Grace     time.Duration // for which an object may be stored again; default DefaultGrace
	MaxObject int64         // bytes; default DefaultMaxObject
	BackFill  time.Duration // the age of a segment that may still come; default DefaultBackFill
}

func (l Limits) check() error {
	for _, f := range []struct {
		name    string
		outside bool
		allowed string
	}{
		{"the grace window", l.Grace < 0 || l.Grace > 24*time.Hour, "0 to 24h"},
		{"the largest object", l.MaxObject < 0 || l.MaxObject > 5<<30, "0 to 5 GiB"},
		{"the age of back-fill", l.BackFill < 0 || l.BackFill > 10*366*24*time.Hour, "0 to ten years"},
	} {
		if f.outside {
			return fail(ErrLimit, "choose one from "+f.allowed, "%s is out of range", f.name)
		}
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	if l.Grace == 0 {
		l.Grace = DefaultGrace
	}
	if l.MaxObject == 0 {
		l.MaxObject = DefaultMaxObject
	}
	if l.BackFill == 0 {
		l.BackFill = DefaultBackFill
	}
	return l
}

// Camera is what is known of one, without its secrets.
type Camera struct {
	ID           string        `json:"id"`              // its prefix in the bucket and its camera_id
	Thing        string        `json:"thing,omitempty"` // what its certificates name; empty when its ID cannot be such a name
	Created      time.Time     `json:"created"`
	Rotated      time.Time     `json:"rotated,omitzero"` // last
	Disabled     bool          `json:"disabled"`
	Keys         []Key         `json:"keys,omitempty"`         // newest first
	Certificates []Certificate `json:"certificates,omitempty"` // newest first
	Limits       Limits        `json:"-"`
}

// Key is an access key without its secret.
type Key struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Ends    time.Time `json:"ends,omitzero"` // zero: when it is taken away
}

// Certificate is one that the authority has made for a camera.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256 of its DER form, in hex
	Created     time.Time `json:"created"`
	Ends        time.Time `json:"ends,omitzero"` // zero: when it is taken away
}

// document is cameras.json.
type document struct {
	Cameras map[string]*record `json:"cameras"`
}

type record struct {
	Created      time.Time     `json:"created"`
	Rotated      time.Time     `json:"rotated,omitzero"`
	Disabled     bool          `json:"disabled,omitempty"`
	Keys         []storedKey   `json:"keys,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	GraceSeconds int64         `json:"grace_s,omitempty"`
	BackFill     int64         `json:"back_fill_s,omitempty"`
	MaxObject    int64         `json:"max_object,omitempty"`
}

type storedKey struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret"`
	Created time.Time `json:"created"`
	Ends    time.Time `json:"ends,omitzero"`
}

func (r *record) limits() Limits {
	return Limits{Grace: time.Duration(r.GraceSeconds) * time.Second, BackFill: time.Duration(r.BackFill) * time.Second,
		MaxObject: r.MaxObject}.withDefaults()
}

func (r *record) view(id string) Camera {
	c := Camera{ID: id, Created: r.Created, Rotated: r.Rotated, Disabled: r.Disabled, Limits: r.limits(),
		Certificates: append([]Certificate(nil), r.Certificates...)}
	c.Thing, _ = Thing(id)
	for _, k := range r.Keys {
		c.Keys = append(c.Keys, Key{k.ID, k.Created, k.Ends})
	}
	return c
}

// ended tells whether something that ends at t has ended.
func ended(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// CheckID tells whether a camera can have this id. The error matches [ErrName].
func CheckID(id string) error {
	if err := segment.CheckPrefix(id); err != nil {
		return fail(ErrName, "use letters, digits and - _ ., with / between folders", "%v", err)
	}
	if strings.TrimSpace(id) != id {
		return fail(ErrName, "leave the space out", "%q begins or ends with a space", id)
	}
	return nil
}

// maxThing is the longest name of a thing in AWS IoT.
const maxThing = 128

// Thing is the name of a camera in certificates, in the form of AWS IoT, where a name has letters, digits and : _ - only: the
// id with : for /. It reports false for an id that cannot be written so.
func Thing(id string) (string, bool) {
	if len(id) == 0 || len(id) > maxThing {
		return "", false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(":_-/", c) >= 0) {
			return "", false
		}
	}
	return strings.ReplaceAll(id, "/", ":"), true
}
