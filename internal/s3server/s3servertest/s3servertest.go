// SPDX-License-Identifier: Apache-2.0

// Package s3servertest gives tests an embedded S3 engine. One engine per test binary is started when it is first asked for, in
// a temporary directory, and every test gets a bucket of its own, so tests can run in parallel. Only tests import it.
//
//	s3 := s3servertest.New(t)
//	client, err := s3client.New(s3client.Config{Endpoint: s3.URL, Region: s3.Region, Bucket: s3.Name(), PathStyle: true, …})
//
// A test that stops, kills or configures an engine starts one with s3server.New itself: any number may run in a process.
package s3servertest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// Bucket is an empty bucket on a running engine, and the way in. Its embedded s3server.Bucket knows its name and reads it without
// HTTP. Its files are removed when no test of the binary uses the engine any more.
type Bucket struct {
	*s3server.Bucket
	URL       string // endpoint, http://127.0.0.1:port; path style
	Region    string
	AccessKey string
	SecretKey string
	Server    *s3server.Server
}

// Key pair of the engine.
const (
	AccessKey = "TESTACCESSKEY"
	SecretKey = "test/secret+key"
)

// shared is the engine of this test binary.
var shared struct {
	mu      sync.Mutex
	dir     string
	server  *s3server.Server
	buckets int // made so far
	users   int // tests that hold one
}

// New returns a fresh bucket. It fails the test when the engine cannot start.
func New(tb testing.TB) *Bucket {
	tb.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if err := start(); err != nil {
		tb.Fatalf("embedded S3 engine: %v", err)
	}
	shared.buckets++
	name := fmt.Sprintf("bucket-%04d", shared.buckets)
	b, err := shared.server.CreateBucket(name)
	if err != nil {
		tb.Fatalf("embedded S3 engine: %v", err)
	}
	shared.users++
	tb.Cleanup(release)
	return &Bucket{
		Bucket: b, Server: shared.server, URL: shared.server.URL(), Region: shared.server.Region(),
		AccessKey: AccessKey, SecretKey: SecretKey,
	}
}

// start brings the engine up once and its directory back when the last user's cleanup removed it. The engine runs until the
// process ends. Nothing is synced: no test here pulls the plug.
func start() error {
	if shared.server != nil {
		return os.MkdirAll(shared.dir, 0o755)
	}
	dir, err := os.MkdirTemp("", "s3cam-test-s3-")
	if err != nil {
		return err
	}
	server, err := s3server.New(s3server.Config{
		Dir: dir, Addr: "127.0.0.1:0", AccessKey: AccessKey, SecretKey: SecretKey,
		CORSOrigins: []string{"*"}, Durability: s3server.DurabilityNone,
	})
	if err != nil {
		return err
	}
	shared.dir, shared.server = dir, server
	go func() { _ = server.Run(context.Background()) }()
	return nil
}

func release() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users--; shared.users == 0 {
		_ = os.RemoveAll(shared.dir)
	}
}
