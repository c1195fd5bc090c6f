// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/test/aws/mototest"
)

func TestAddressesOfStoresOfLiveWindows(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	good := map[string]func(standalone.CacheStore) bool{
		"memory": func(c standalone.CacheStore) bool { return c.Redis == nil && c.DynamoDB == nil },
		"redis://cache.example": func(c standalone.CacheStore) bool {
			return c.Redis.Addr == "cache.example:6379" && c.Redis.TLSConfig == nil
		},
		"redis://u:p@cache.example:6380/3":   func(c standalone.CacheStore) bool { return c.Redis.Password == "p" && c.Redis.DB == 3 },
		"rediss://cache.example":             func(c standalone.CacheStore) bool { return c.Redis.TLSConfig != nil },
		"unix:///run/redis.sock?db=1":        func(c standalone.CacheStore) bool { return c.Redis.Network == "unix" && c.Redis.DB == 1 },
		"dynamodb://IPC-Cache":               func(c standalone.CacheStore) bool { return c.Table == "IPC-Cache" && c.DynamoDB != nil },
		"dynamodb://t_1.x?region=cn-north-1": func(c standalone.CacheStore) bool { return c.Table == "t_1.x" },
	}
	for text, right := range good {
		var cfg standalone.Config
		if err := (&cacheFlags{Cache: text}).apply(t.Context(), &cfg); err != nil || !right(cfg.Cache) {
			t.Errorf("%s: %+v, %v", text, cfg.Cache, err)
		}
	}
	for _, text := range []string{"", "disk", "memory://x", "redis://", "redis://:pass-word@h:port", "memcached://h", "dynamodb://", "dynamodb://t/x", "dynamodb://u:pass-word@t", "redis:h"} {
		var cfg standalone.Config
		err := (&cacheFlags{Cache: text}).apply(t.Context(), &cfg)
		if err == nil || strings.Contains(err.Error(), "pass-word") && !strings.HasPrefix(text, "dynamodb") {
			t.Errorf("%q: %v", text, err)
		}
	}
	o := call(t, nil, nil, "serve", "--cache", "redis://:pass-word@h:port", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0")
	o.want(t, exitUsage, "--cache", "hint: write memory")
	if strings.Contains(o.err, "pass-word") {
		t.Error("a password is shown")
	}
}

// The table of the AWS deployment can keep the windows of servers, too.
func TestServersShareATableOfDynamoDB(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: servers that share a table of moto, because of -short")
	}
	moto := mototest.Start(t)
	const table = "IPC-Cache-servers"
	moto.CreateTable(t, table)
	const role = "cache-servers"
	moto.CreateRole(t, role, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:PutItem"],"Resource":"*"}]}`))
	c := moto.AssumeRole(t, role, "serve")
	b := s3servertest.New(t)
	client, err := s3.New(s3.Config{Endpoint: b.URL, Region: b.Region, Bucket: b.Name(), PathStyle: true, Credentials: s3.Static(b.AccessKey, s3.Secret(b.SecretKey), "")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	film(t, client, "gate")
	env := []string{"AWS_ENDPOINT_URL_DYNAMODB=" + moto.URL, "AWS_REGION=" + mototest.Region, "AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + c.SessionToken, "AWS_EC2_METADATA_DISABLED=true"}
	env = append(env, "S3CAM_S3_ACCESS_KEY="+b.AccessKey, "S3CAM_S3_SECRET_KEY="+b.SecretKey)
	var servers []string
	for range 2 {
		addr := freeAddr(t)
		cmd, out := program(t, env, "serve", "--s3-url", b.URL, "--bucket", b.Name(), "--region", b.Region, "--http", addr, "--state", t.TempDir(),
			"--cache", "dynamodb://"+table, "--ts-clip-duration", "1s")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.wait(t, regexp.MustCompile("s3cam serves"))
		servers = append(servers, "http://"+addr)
	}
	var v spectator
	v.camera = "gate"
	polltest.Until(t, time.Minute, "a playlist", func() bool { return answers(servers[0] + "/playlist.m3u8?camera_id=gate") })
	http.DefaultClient.CloseIdleConnections()
	stop := make(chan struct{})
	timer := time.AfterFunc(5*time.Second, func() { close(stop) })
	defer timer.Stop()
	v.watch(servers, stop)
	for _, e := range v.errs {
		t.Error(e)
	}
	if v.judge.Changes < 2 || v.judge.Jumps > 0 {
		t.Errorf("%d polls, %d changes, %d jumps", v.judge.Count, v.judge.Changes, v.judge.Jumps)
	}
}
