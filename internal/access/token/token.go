// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a token.
const (
	MaxBytes   = 2048 // a playlist repeats it for each segment, and a query has room for 8 kB
	MaxCameras = 32

	version  = "s3t1"
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_." // of a token; the first 64 are base64url
)

// Errors of Check. A caller may test for them.
var (
	// ErrRefused says that a text is no token, or that no key that is good has signed it: forged, altered or revoked.
	ErrRefused = errors.New("the token is not valid, or was revoked")
	// ErrExpired says that a token was good once.
	ErrExpired = errors.New("the token has expired")
)

// Right is what may be done with a camera.
type Right uint8

// The rights. Each stands for itself.
const (
	Watch Right = 1 << iota // live and replay: playlists, segments, coverage
	Clip                    // clips as files

	All = Watch | Clip
)

// Claims is what a token says.
type Claims struct {
	Key     string    // id of the key that signed it
	Expires time.Time // from then on it is no longer good; whole seconds
	Cameras []string  // see Match
	Rights  Right

	// From and To bound the footage, not the time of watching: from From on, and up to To, which is not included. Whole seconds. Both
	// are zero for all footage, and live.
	From, To time.Time

	// By is the id of the person who made the token and with whom it ends; empty for one that ends by itself or with its key. Whoever
	// checks a token has to look whether there still is such a person.
	By string
}

// Bounded tells whether the token is for some footage only.
func (c *Claims) Bounded() bool { return !c.From.IsZero() || !c.To.IsZero() }

type payload struct {
	Key     string   `json:"k"`
	Expires int64    `json:"x"`
	Cameras []string `json:"c"`
	Rights  string   `json:"r"`
	From    *int64   `json:"f,omitempty"`
	To      *int64   `json:"t,omitempty"`
	By      string   `json:"b,omitempty"`
}

const maxSeconds = 253402300799 // year 9999

// Match tells whether one of the patterns stands for a camera: its id, the beginning of ids followed by "*" ("yard/*"), or "*"
// for all cameras. The empty camera matches nothing.
func Match(patterns []string, camera string) bool {
	if camera == "" {
		return false
	}
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(camera, prefix) || p == camera {
			return true
		}
	}
	return false
}

// Allows tells whether the token gives a right to a camera.
func (c *Claims) Allows(camera string, right Right) bool {
	return c.Rights&right == right && Match(c.Cameras, camera)
}

// Make signs claims with a key; c.Key is not looked at. The bounds of the footage are widened to whole seconds. The error says what
// is missing or too large.
func Make(k Key, c Claims) (string, error) {
	if err := k.check(); err != nil {
		return "", err
	}
	p := payload{Key: k.ID, Expires: c.Expires.Unix(), Cameras: c.Cameras, Rights: c.Rights.text(), By: c.By}
	if c.Bounded() {
		from, to := c.From.Unix(), c.To.Unix()
		if c.To.Nanosecond() > 0 {
			to++
		}
		p.From, p.To = &from, &to
	}
	if err := p.check(); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	signed := version + "." + base64.RawURLEncoding.EncodeToString(b)
	t := signed + "." + base64.RawURLEncoding.EncodeToString(k.sign(signed))
	if len(t) > MaxBytes {
		return "", fmt.Errorf("token: it would have %d bytes, at most %d are taken; name fewer cameras, or a prefix", len(t), MaxBytes)
	}
	return t, nil
}

// Check returns what a token says if one of the keys signed it and it is still good at now; else ErrRefused or ErrExpired.
// ErrExpired comes with the claims, of a token that was genuine.
func (ks Keys) Check(text string, now time.Time) (Claims, error) {
	if !Plausible(text) {
		return Claims{}, ErrRefused
	}
	at := strings.LastIndexByte(text, '.')
	signed := text[:at]
	b, err := base64.RawURLEncoding.Strict().DecodeString(signed[len(version)+1:])
	if err != nil {
		return Claims{}, ErrRefused
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text[at+1:])
	if err != nil {
		return Claims{}, ErrRefused
	}
	var p payload
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(&p) != nil {
		return Claims{}, ErrRefused
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Claims{}, ErrRefused
	}
	k := ks.find(p.Key)
	if k == nil || k.check() != nil || !hmac.Equal(sum, k.sign(signed)) || p.check() != nil {
		return Claims{}, ErrRefused
	}
	c := Claims{Key: p.Key, Expires: time.Unix(p.Expires, 0).UTC(), Cameras: p.Cameras, Rights: rights(p.Rights), By: p.By}
	if p.From != nil {
		c.From, c.To = time.Unix(*p.From, 0).UTC(), time.Unix(*p.To, 0).UTC()
	}
	if !now.Before(c.Expires) {
		return c, ErrExpired
	}
	return c, nil
}

// Plausible tells whether a text has the form of a token: the version, three parts, characters that need no escaping in a URL
// or a header, and no more than MaxBytes. It says nothing about whether the token is good.
func Plausible(text string) bool {
	return len(text) <= MaxBytes && strings.HasPrefix(text, version+".") && strings.Count(text, ".") == 2 && strings.Trim(text, alphabet) == ""
}

func (k Key) sign(signed string) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(signed))
	return h.Sum(nil)
}

func (p *payload) check() error {
	switch {
	case p.Expires <= 0 || p.Expires > maxSeconds:
		return errors.New("it needs a time at which it expires")
	case len(p.Cameras) == 0:
		return errors.New("it needs a camera; * stands for all")
	case len(p.Cameras) > MaxCameras:
		return fmt.Errorf("it names %d cameras, at most %d fit", len(p.Cameras), MaxCameras)
	case rights(p.Rights) == 0 || rights(p.Rights).text() != p.Rights:
		return errors.New("it needs a right: watch or clip")
	case (p.From == nil) != (p.To == nil):
		return errors.New("a range of footage needs its start and its end")
	case p.From != nil && (*p.From < 0 || *p.To > maxSeconds || *p.To <= *p.From):
		return errors.New("the end of its footage is not after the start, or not within the years 1970 to 9999")
	}
	if p.By != "" && CheckID(p.By) != nil {
		return errors.New("who made it is no id")
	}
	for _, c := range p.Cameras {
		if c == "" || !utf8.ValidString(c) {
			return errors.New("a camera is empty or no UTF-8")
		}
	}
	return nil
}

func (r Right) text() string {
	s := ""
	if r&Watch != 0 {
		s += "w"
	}
	if r&Clip != 0 {
		s += "c"
	}
	return s
}

func rights(s string) (r Right) {
	if strings.Contains(s, "w") {
		r |= Watch
	}
	if strings.Contains(s, "c") {
		r |= Clip
	}
	return r
}
