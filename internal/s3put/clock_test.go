// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/s3put"
)

// certificate dates of these tests: valid in 2026.
var (
	from = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to   = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	mid  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
)

// dated is a fake whose certificate is valid in 2026 and whose clock says date.
func dated(t *testing.T, a *certtest.Authority, date time.Time) *fakeS3 {
	f := newFake(t, issue(a, from, to, "127.0.0.1"))
	f.answer = func(_ int, w http.ResponseWriter, r *request) bool {
		w.Header()["Date"] = nil
		if !date.IsZero() {
			w.Header().Set("Date", date.Format(http.TimeFormat))
		}
		return false
	}
	return f
}

func TestCertificatesAreVerifiedForTheRightTime(t *testing.T) {
	authority := certtest.New(t, "test root")
	for _, tt := range []struct {
		name       string
		clock      time.Time
		floor      time.Time
		ok         bool
		complaints []string
	}{
		{"a right clock", mid, time.Time{}, true, nil},
		{"1970", time.Unix(0, 0), time.Time{}, false, []string{"2026-01-01 00:00 UTC to 2027-01-01", "clock says 1970-01-01 00:00 UTC", "set the clock (NTP)"}},
		{"1970, but it is later than the build", time.Unix(0, 0), mid, true, nil},
		{"1970, and the build is older than the certificate", time.Unix(0, 0), from.AddDate(-1, 0, 0), false, []string{"older than 2025-01-01"}},
		{"years ahead", to.AddDate(10, 0, 0), mid, false, []string{"clock says 2037-01-01"}},
		{"the floor is behind", mid, from, true, nil},
	} {
		f := dated(t, authority, mid)
		cfg := f.config()
		cfg.RootCAs, cfg.TimeFloor = authority.Pool(), tt.floor
		o := object("k", randomBytes(100))
		o.Time = tt.clock
		server, err := newClient(t, cfg).Put(timeout(t), o)
		if tt.ok {
			if err != nil || !server.Equal(mid) {
				t.Errorf("%s: %v, %v", tt.name, server, err)
			}
			continue
		}
		if !errors.Is(err, s3put.ErrNotSent) || errors.Is(err, s3put.ErrClockSkew) || !server.IsZero() || len(f.seen()) > 0 {
			t.Errorf("%s: %v, %v after %d requests", tt.name, server, err, len(f.seen()))
		}
		for _, want := range tt.complaints {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", tt.name, err, want)
			}
		}
	}
}

func TestNowIsTheClockOfAnObjectWithoutTime(t *testing.T) {
	authority := certtest.New(t, "test root")
	f := dated(t, authority, mid)
	cfg := f.config()
	cfg.RootCAs, cfg.Now = authority.Pool(), func() time.Time { return mid }
	o := object("k", nil)
	o.Time = time.Time{}
	if _, err := newClient(t, cfg).Put(timeout(t), o); err != nil || f.seen()[0].Header.Get("X-Amz-Date") != "20260601T120000Z" {
		t.Error(err)
	}
}

func TestTheTimeIsLearnedFromTheServerOnRequest(t *testing.T) {
	authority, stranger := certtest.New(t, "test root"), certtest.New(t, "test root")
	for _, tt := range []struct {
		name  string
		clock time.Time
		date  time.Time
		floor time.Time
		other bool // the certificate is somebody else's
		want  bool
		says  string
	}{
		{"1970", time.Unix(0, 0), mid, time.Time{}, false, true, "taken from the server"},
		{"years ahead", to.AddDate(10, 0, 0), mid, from, false, true, "taken from the server"},
		{"a date before the certificate's", time.Unix(0, 0), from.Add(-time.Hour), time.Time{}, false, false, "it says 2025-12-31"},
		{"a date after the certificate's", time.Unix(0, 0), to.Add(time.Hour), time.Time{}, false, false, "it says 2027-01-01"},
		{"a date before the build", to.AddDate(10, 0, 0), mid, mid.Add(time.Hour), false, false, "passed long since"},
		{"no date", time.Unix(0, 0), time.Time{}, time.Time{}, false, false, "no Date"},
		{"a certificate of a stranger", time.Unix(0, 0), mid, time.Time{}, true, false, "unknown authority"},
	} {
		f := dated(t, authority, tt.date)
		if tt.other {
			f = dated(t, stranger, tt.date)
		}
		cfg := f.config()
		cfg.RootCAs, cfg.TimeFloor, cfg.ServerTime = authority.Pool(), tt.floor, true
		c := newClient(t, cfg)
		o := object("secret-key-name", randomBytes(100))
		o.Time = tt.clock
		o.Tags = "a=b"
		server, err := c.Put(timeout(t), o)
		if !strings.Contains(err.Error(), tt.says) && !tt.other {
			t.Errorf("%s: %v does not say %q", tt.name, err, tt.says)
		}
		if tt.want != errors.Is(err, s3put.ErrClockSkew) || tt.want == errors.Is(err, s3put.ErrNotSent) || tt.want && !server.Equal(tt.date) || !tt.want && !server.IsZero() {
			t.Errorf("%s: %v, %v", tt.name, server, err)
		}
		for _, r := range f.seen() {
			if r.Method != "HEAD" || r.RequestURI != "/" || len(r.Header) != 1 || r.Header.Get("User-Agent") != "s3cam" {
				t.Errorf("%s: sent %s %s %v", tt.name, r.Method, r.RequestURI, r.Header)
			}
		}
		if !tt.want {
			continue
		}
		o.Time = server // as the uploader does
		if _, err := c.Put(timeout(t), o); err != nil {
			t.Errorf("%s: with the learned time: %v", tt.name, err)
		}
		if s := c.Stats(); s.ServerTimes != 1 {
			t.Errorf("%s: %+v", tt.name, s)
		}
	}
}

// TestOtherFaultsOfACertificateAreNotTheClocks: the wrong name or root is no reason to speak of the clock, nor to ask for the time.
func TestOtherFaultsOfACertificateAreNotTheClocks(t *testing.T) {
	authority, stranger := certtest.New(t, "test root"), certtest.New(t, "test root")
	for name, f := range map[string]*fakeS3{
		"another root, in its time":     newFake(t, valid(stranger, "127.0.0.1")),
		"another root, expired":         newFake(t, issue(stranger, from.AddDate(-9, 0, 0), from.AddDate(-8, 0, 0), "127.0.0.1")),
		"another name, in its time":     newFake(t, valid(authority, "127.0.0.2")),
		"another name, and it is early": newFake(t, issue(authority, time.Now().AddDate(1, 0, 0), time.Now().AddDate(2, 0, 0), "127.0.0.2")),
	} {
		cfg := f.config()
		cfg.RootCAs, cfg.ServerTime = authority.Pool(), true
		_, err := newClient(t, cfg).Put(timeout(t), object("k", nil))
		if !errors.Is(err, s3put.ErrNotSent) || errors.Is(err, s3put.ErrClockSkew) || strings.Contains(err.Error(), "set the clock") || len(f.seen()) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := newFake(t, valid(authority, "127.0.0.1"))
	cfg := f.config() // the pinned roots do not know it
	if _, err := newClient(t, cfg).Put(timeout(t), object("k", nil)); !errors.Is(err, s3put.ErrNotSent) {
		t.Errorf("with the pinned roots: %v", err)
	}
}
