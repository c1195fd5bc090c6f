// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// The names of the store. The original's endpoint is a host that already holds the bucket. The tests have no name service, so
// the bucket is called 127 and the domain of virtual hosts 0.0.1: 127.0.0.1 then is the bucket 127, in the virtual-host style.
const (
	bucketName = "127"
	domain     = "0.0.1"
	region     = "us-east-1"
	prefix     = "cam1"
)

// keyPair is what a camera signs with.
type keyPair struct{ access, secret, token string }

var rootKey = keyPair{access: "S3CAMDEVICETESTROOT0", secret: "device-test-secret/device+test-secret"}

// accounts knows the key pairs besides the root pair.
type accounts struct {
	mu   sync.Mutex
	keys map[string]keyPair // by access key
}

func (a *accounts) add(k keyPair) { a.mu.Lock(); defer a.mu.Unlock(); a.keys[k.access] = k }

// Lookup implements s3server.Accounts: temporary keys work with their token and with no other.
func (a *accounts) Lookup(access, token string) (s3server.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.keys[access]
	if !ok {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	if token != k.token {
		return s3server.Account{}, s3server.ErrInvalidToken
	}
	return s3server.Account{SecretKey: s3server.Secret(k.secret), Allow: func(action, bucket, _ string) bool {
		return action == "s3:PutObject" && bucket == bucketName || action == "s3:PutObjectTagging"
	}}, nil
}

// store is the embedded S3 engine on TLS.
type store struct {
	*s3server.Bucket
	ca       *authority
	accounts *accounts
	url      string // https://127.0.0.1:port; the bucket is in the host
	host     string // 127.0.0.1:port

	mu     sync.Mutex
	stored []string // keys in the order of their 200s, overwrites too
}

// newStore starts an engine of its own for the test.
func newStore(t testing.TB) *store {
	t.Helper()
	s := &store{ca: newAuthority(t), accounts: &accounts{keys: map[string]keyPair{}}}
	cert, key, _ := s.ca.issue(t, leaf{})
	server, err := s3server.New(s3server.Config{
		Dir: t.TempDir(), Addr: "127.0.0.1:0", Region: region, Bucket: bucketName, VirtualDomain: domain,
		AccessKey: rootKey.access, SecretKey: s3server.Secret(rootKey.secret), Accounts: s.accounts,
		CertFile: cert, KeyFile: key, Durability: s3server.DurabilityNone,
		OnStored: func(_, key string, _ int64) { s.mu.Lock(); s.stored = append(s.stored, key); s.mu.Unlock() },
		Logger:   slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Bucket, s.url = server.Bucket(), server.URL()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	s.host = u.Host
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return s
}

// puts returns the keys in the order in which they were stored.
func (s *store) puts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.stored...)
}

// object is one stored object.
type object struct {
	key  string
	data []byte
}

// objects reads everything below a prefix, in the order of keys.
func (s *store) objects(t testing.TB, prefix string) []object {
	t.Helper()
	return readObjects(t, s.Bucket, prefix)
}

func readObjects(t testing.TB, b *s3server.Bucket, prefix string) []object {
	t.Helper()
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	var keys []string
	if err := b.ListKeys(context.Background(), prefix, "", func(key []byte) bool { keys = append(keys, string(key)); return true }); err != nil {
		t.Fatal(err)
	}
	var out []object
	for _, k := range keys {
		data, err := os.ReadFile(filepath.Join(b.Dir(), filepath.FromSlash(k)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, object{k, data})
	}
	return out
}

// testWriter writes whole lines to a test's log while it runs.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSuffix(string(b), "\n"))
	}
	return len(b), nil
}
