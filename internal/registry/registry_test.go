// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/internal/s3server"
)

// clock is a time that a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) step(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func noon() *clock { return &clock{t: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)} }

func open(t *testing.T, dir string, c *clock) *registry.Registry {
	t.Helper()
	cfg := registry.Config{Dir: dir, Bucket: "video"}
	if c != nil {
		cfg.Now = c.now
	}
	r, err := registry.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func add(t *testing.T, r *registry.Registry, o registry.AddOptions) registry.Issued {
	t.Helper()
	out, err := r.Add(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func leaf(t *testing.T, certificate []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(certificate)
	if block == nil {
		t.Fatal("no certificate in PEM form")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantErr(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	text := err.Error() + "\n" + hint.Of(err)
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("error %q does not say %q", text, s)
		}
	}
}

// known tells whether a key pair is good.
func known(t *testing.T, r *registry.Registry, i registry.Issued) bool {
	t.Helper()
	a, err := r.Lookup(i.AccessKey, "")
	if err == nil && (a.SecretKey != i.SecretKey || a.Allow == nil || a.PutOnly == nil) {
		t.Errorf("account %+v of %s", a, i.AccessKey)
	}
	if err != nil && !errors.Is(err, s3server.ErrUnknownKey) {
		t.Errorf("Lookup: %v", err)
	}
	return err == nil
}

func TestTheLifeOfAKey(t *testing.T) {
	c := noon()
	r := open(t, t.TempDir(), c)
	first := add(t, r, registry.AddOptions{ID: "shop/door", Limits: registry.Limits{BackFill: time.Hour}})
	if len(first.AccessKey) != 20 || len(first.SecretKey) < 40 || first.Pair != nil || !first.Ends.IsZero() {
		t.Errorf("issued %+v", first)
	}
	if fmt.Sprintf("%v %+v %#v", first, first, first) == "" || strings.Contains(fmt.Sprintf("%v %+v %#v", first, first, first), string(first.SecretKey)) {
		t.Error("the secret can be printed by accident")
	}
	if !known(t, r, first) {
		t.Fatal("the new key is not known")
	}
	c.step(time.Minute)
	second, err := r.Rotate("shop/door", time.Hour)
	if err != nil || second.AccessKey == first.AccessKey || second.SecretKey == first.SecretKey || !second.Ends.Equal(c.now().Add(time.Hour)) {
		t.Fatalf("rotated %+v, %v", second, err)
	}
	if !known(t, r, first) || !known(t, r, second) {
		t.Error("old and new key must be good during the overlap")
	}
	c.step(time.Hour - time.Second)
	if !known(t, r, first) {
		t.Error("the old key ended early")
	}
	c.step(time.Second)
	if known(t, r, first) || !known(t, r, second) {
		t.Error("after the overlap only the new key is good")
	}
	third, err := r.Rotate("shop/door", 0)
	if err != nil || known(t, r, second) || !known(t, r, third) {
		t.Errorf("without an overlap: %v", err)
	}
	fourth, err := r.Rotate("shop/door", 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fifth, err := r.Rotate("shop/door", 24*time.Hour)
	if err != nil || known(t, r, third) || !known(t, r, fourth) || !known(t, r, fifth) {
		t.Errorf("two rotations in a row leave the last two: %v", err)
	}
	if err := r.Disable("shop/door", true); err != nil || known(t, r, fifth) || known(t, r, fourth) {
		t.Errorf("disabled: %v", err)
	}
	if err := r.Disable("shop/door", false); err != nil || !known(t, r, fifth) {
		t.Errorf("enabled: %v", err)
	}
	got, ok := r.Camera("shop/door")
	if !ok || got.Disabled || len(got.Keys) != 2 || got.Keys[0].ID != fifth.AccessKey || !got.Rotated.Equal(c.now()) || got.Thing != "shop:door" ||
		got.Limits.BackFill != time.Hour || got.Limits.Grace != registry.DefaultGrace || got.Limits.MaxObject != 64<<20 {
		t.Errorf("camera %+v", got)
	}
	if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), string(fifth.SecretKey)) {
		t.Errorf("JSON %s, %v", text, err)
	}
	if err := r.Remove("shop/door"); err != nil || known(t, r, fifth) {
		t.Errorf("removed: %v", err)
	}
	if list, err := r.List(); err != nil || len(list) != 0 {
		t.Errorf("list %v, %v", list, err)
	}
	for _, err := range []error{r.Remove("shop/door"), r.Disable("shop/door", true), second2(r.Rotate("shop/door", 0))} {
		wantErr(t, err, registry.ErrAbsent, "no camera shop/door", "camera list")
	}
}

func second2(_ registry.Issued, err error) error { return err }

func TestWhatCannotBeACamera(t *testing.T) {
	r := open(t, t.TempDir(), nil)
	add(t, r, registry.AddOptions{ID: "cam/1"})
	for _, tt := range []struct {
		o    registry.AddOptions
		kind error
		says string
	}{
		{registry.AddOptions{ID: "cam/1"}, registry.ErrExists, "rotate"},
		{registry.AddOptions{ID: "CAM/1"}, registry.ErrExists, "upper and lower case"},
		{registry.AddOptions{ID: "cam:1", Certificate: true}, registry.ErrExists, "name of the camera cam/1"},
		{registry.AddOptions{ID: ""}, registry.ErrName, "empty"},
		{registry.AddOptions{ID: "../x"}, registry.ErrName, `".."`},
		{registry.AddOptions{ID: "/x"}, registry.ErrName, "slash"},
		{registry.AddOptions{ID: "x\ny"}, registry.ErrName, "control"},
		{registry.AddOptions{ID: " x"}, registry.ErrName, "space"},
		{registry.AddOptions{ID: "türe", Certificate: true}, registry.ErrName, "key pair instead"},
		{registry.AddOptions{ID: strings.Repeat("x", 129), Certificate: true}, registry.ErrName, "at most 128"},
		{registry.AddOptions{ID: "x", Limits: registry.Limits{Grace: -1}}, registry.ErrLimit, "grace"},
		{registry.AddOptions{ID: "x", Limits: registry.Limits{MaxObject: 6 << 30}}, registry.ErrLimit, "largest"},
	} {
		_, err := r.Add(tt.o)
		wantErr(t, err, tt.kind, tt.says)
	}
	if list, err := r.List(); err != nil || len(list) != 1 {
		t.Errorf("list %v, %v", list, err)
	}
}

// A second registry is what another process has.
func TestChangesOfAnotherProcessCount(t *testing.T) {
	dir := t.TempDir()
	server, command := open(t, dir, nil), open(t, dir, nil)
	i := add(t, command, registry.AddOptions{ID: "cam1"})
	eventually(t, "the server to know the key", func() bool { return known(t, server, i) })
	if err := command.Remove("cam1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server to forget the key", func() bool { return !known(t, server, i) })
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// While the server runs a broken file takes no camera away; a server does not start with one.
func TestABrokenFile(t *testing.T) {
	dir := t.TempDir()
	c := noon()
	r := open(t, dir, c)
	i := add(t, r, registry.AddOptions{ID: "cam1"})
	if err := os.WriteFile(filepath.Join(dir, registry.File), []byte(`{"cameras":{"cam1":`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.step(time.Minute)
	if !known(t, r, i) {
		t.Error("a broken file took the camera away")
	}
	if _, err := r.List(); err == nil {
		t.Error("List does not tell")
	}
	if _, err := registry.Open(registry.Config{Dir: dir, Bucket: "video"}); err == nil || strings.Contains(err.Error(), string(i.SecretKey)) {
		t.Errorf("Open: %v", err)
	}
}

func TestNobodyElseCanReadTheSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := open(t, dir, nil)
	add(t, r, registry.AddOptions{ID: "a"})
	i := add(t, r, registry.AddOptions{ID: "b", Certificate: true})
	if _, err := r.Issue(leaf(t, i.Pair.Certificate), time.Hour); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		files++
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files, %v", files, err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", i.Pair, i, i.Pair), "PRIVATE") {
		t.Error("the private key can be printed by accident")
	}
}

func TestSessions(t *testing.T) {
	dir := t.TempDir()
	c := noon()
	r := open(t, dir, c)
	i := add(t, r, registry.AddOptions{ID: "shop/door", Certificate: true})
	cert := leaf(t, i.Pair.Certificate)
	s, err := r.Issue(cert, time.Hour)
	if err != nil || s.Camera != "shop/door" || !s.Expires.Equal(c.now().Add(time.Hour)) {
		t.Fatalf("session %+v, %v", s, err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", s, s), string(s.Token)) {
		t.Error("the token can be printed by accident")
	}
	lookup := func(r *registry.Registry, key, token string) error {
		a, err := r.Lookup(key, token)
		if err == nil && (a.SecretKey != s.SecretKey || !a.Allow("s3:PutObject", "video", "shop/door/2026/11/25/12/00/00.ts")) {
			t.Errorf("account %+v", a)
		}
		return err
	}
	if err := lookup(r, s.AccessKey, string(s.Token)); err != nil {
		t.Errorf("its own: %v", err)
	}
	other := open(t, dir, c)
	if err := lookup(other, s.AccessKey, string(s.Token)); err != nil {
		t.Errorf("another process: %v", err)
	}
	text, sum, _ := strings.Cut(string(s.Token), ".")
	pair := add(t, r, registry.AddOptions{ID: "pair"})
	for name, tt := range map[string]struct {
		key, token string
		want       error
	}{
		"without its token":            {s.AccessKey, "", s3server.ErrUnknownKey},
		"another key":                  {"S3CAMT00000000000000", string(s.Token), s3server.ErrInvalidToken},
		"a permanent key with a token": {pair.AccessKey, string(s.Token), s3server.ErrInvalidToken},
		"a changed payload":            {s.AccessKey, text[:len(text)-1] + "A." + sum, s3server.ErrInvalidToken},
		"a changed sum":                {s.AccessKey, text + "." + sum[1:], s3server.ErrInvalidToken},
		"no sum":                       {s.AccessKey, text + ".", s3server.ErrInvalidToken},
		"no dot":                       {s.AccessKey, text, s3server.ErrInvalidToken},
		"a long one":                   {s.AccessKey, strings.Repeat("a", 1<<20), s3server.ErrInvalidToken},
	} {
		if _, err := r.Lookup(tt.key, tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	for life, want := range map[time.Duration]time.Duration{0: registry.MinSession, time.Second: registry.MinSession, 99 * time.Hour: registry.MaxSession} {
		if s, err := r.Issue(cert, life); err != nil || !s.Expires.Equal(c.now().Add(want)) {
			t.Errorf("life %v: until %v, %v", life, s.Expires, err)
		}
	}
	// A new certificate: sessions of the old one end with it.
	renewed, err := r.Rotate("shop/door", time.Minute)
	if err != nil || renewed.Pair == nil || renewed.AccessKey != "" {
		t.Fatalf("rotated %+v, %v", renewed, err)
	}
	c.step(59 * time.Second)
	if err := lookup(r, s.AccessKey, string(s.Token)); err != nil {
		t.Errorf("during the overlap: %v", err)
	}
	c.step(time.Second)
	if err := lookup(r, s.AccessKey, string(s.Token)); !errors.Is(err, s3server.ErrUnknownKey) {
		t.Errorf("after the overlap: %v", err)
	}
	if _, err := r.Issue(cert, time.Hour); !errors.Is(err, registry.ErrCertificate) {
		t.Errorf("the old certificate: %v", err)
	}
	cert = leaf(t, renewed.Pair.Certificate)
	if s, err = r.Issue(cert, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := r.Disable("shop/door", true); err != nil {
		t.Fatal(err)
	}
	if err := lookup(r, s.AccessKey, string(s.Token)); !errors.Is(err, s3server.ErrUnknownKey) {
		t.Errorf("disabled: %v", err)
	}
	if _, err := r.Issue(cert, time.Hour); !errors.Is(err, registry.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	if err := r.Disable("shop/door", false); err != nil {
		t.Fatal(err)
	}
	if err := lookup(r, s.AccessKey, string(s.Token)); err != nil {
		t.Errorf("enabled: %v", err)
	}
	c.step(time.Hour)
	if err := lookup(r, s.AccessKey, string(s.Token)); !errors.Is(err, s3server.ErrInvalidToken) {
		t.Errorf("after an hour: %v", err)
	}
	if err := r.Remove("shop/door"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Holder(cert); !errors.Is(err, registry.ErrCertificate) {
		t.Errorf("removed: %v", err)
	}
}

func TestTheAuthority(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	var wg sync.WaitGroup
	all := make([]*registry.Authority, 8)
	for i := range all {
		wg.Go(func() {
			a, err := registry.OpenAuthority(dir, now)
			if err != nil {
				t.Error(err)
			}
			all[i] = a
		})
	}
	wg.Wait()
	for _, a := range all {
		if a == nil || string(a.PEM()) != string(all[0].PEM()) {
			t.Fatal("several processes made several authorities")
		}
	}
	ca := all[0]
	client, err := ca.Client(strings.Repeat("n", 128), now)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Server([]string{"s3cam.example.org", "192.0.2.7", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		cert  []byte
		usage x509.ExtKeyUsage
		host  string
		ok    bool
	}{
		{"a camera before the server", client.Certificate, x509.ExtKeyUsageClientAuth, "", true},
		{"a camera as a server", client.Certificate, x509.ExtKeyUsageServerAuth, "", false},
		{"the server by name", server.Certificate, x509.ExtKeyUsageServerAuth, "s3cam.example.org", true},
		{"the server by address", server.Certificate, x509.ExtKeyUsageServerAuth, "192.0.2.7", true},
		{"the server by another name", server.Certificate, x509.ExtKeyUsageServerAuth, "example.org", false},
		{"the server as a camera", server.Certificate, x509.ExtKeyUsageClientAuth, "", false},
	} {
		_, err := leaf(t, tt.cert).Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: tt.host, KeyUsages: []x509.ExtKeyUsage{tt.usage}, CurrentTime: now})
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ca", "ca.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.OpenAuthority(dir, now); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("a broken authority: %v", err)
	}
}

func FuzzLookupSession(f *testing.F) {
	dir := f.TempDir()
	r, err := registry.Open(registry.Config{Dir: dir, Bucket: "video"})
	if err != nil {
		f.Fatal(err)
	}
	i, err := r.Add(registry.AddOptions{ID: "cam1", Certificate: true})
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(i.Pair.Certificate)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		f.Fatal(err)
	}
	s, err := r.Issue(cert, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.AccessKey, string(s.Token))
	f.Add(s.AccessKey, "e30.e30")
	f.Add("", ".")
	f.Fuzz(func(t *testing.T, key, token string) {
		a, err := r.Lookup(key, token)
		if err == nil && (key != s.AccessKey || token != string(s.Token)) {
			t.Errorf("Lookup(%q, %q) = %+v", key, token, a)
		}
	})
}
