// SPDX-License-Identifier: Apache-2.0

package credserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/credserver"
	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/internal/s3server"
)

// endpoint is a running server and what it knows.
type endpoint struct {
	addr string
	dir  string
	reg  *registry.Registry
	ca   *registry.Authority
	log  bytes.Buffer // to be read when nothing runs
}

func start(t *testing.T) *endpoint {
	t.Helper()
	dir := t.TempDir()
	e := &endpoint{dir: dir}
	var err error
	if e.reg, err = registry.Open(registry.Config{Dir: dir, Bucket: "video"}); err != nil {
		t.Fatal(err)
	}
	if e.ca, err = registry.OpenAuthority(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	s, err := credserver.New(credserver.Config{Cameras: e.reg, Authority: e.ca, Hosts: []string{"127.0.0.1", "s3cam.test"},
		Logger: slog.New(slog.NewTextHandler(&e.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *endpoint) camera(t *testing.T, id string) *registry.Pair {
	t.Helper()
	i, err := e.reg.Add(registry.AddOptions{ID: id, Certificate: true})
	if err != nil {
		t.Fatal(err)
	}
	return i.Pair
}

// client is one with a certificate, or without for nil.
func (e *endpoint) client(t *testing.T, pair *registry.Pair) *http.Client {
	t.Helper()
	cfg := &tls.Config{RootCAs: e.ca.Pool()}
	if pair != nil {
		c, err := tls.X509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		// Sent whatever the server says that it accepts.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

type reply struct {
	status     int
	kind, body string
}

func (e *endpoint) ask(t *testing.T, c *http.Client, method, path, thing string) (reply, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+e.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if thing != "" {
		r.Header.Set("x-amzn-iot-thingname", thing)
	}
	res, err := c.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Date") == "" || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", res.Header)
	}
	return reply{res.StatusCode, res.Header.Get("x-amzn-ErrorType"), string(body)}, nil
}

const path = "/role-aliases/s3cam/credentials"

func TestAnswers(t *testing.T) {
	e := start(t)
	door, yard := e.camera(t, "shop/door"), e.camera(t, "yard")
	renewed, err := e.reg.Rotate("yard", 0)
	if err != nil {
		t.Fatal(err)
	}
	off := e.camera(t, "off")
	if err := e.reg.Disable("off", true); err != nil {
		t.Fatal(err)
	}
	forged, err := e.ca.Client("shop:door", time.Now()) // by the right authority, but nobody has registered it
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		pair         *registry.Pair
		method, path string
		thing        string
		status       int
		kind, says   string
	}{
		{"keys", door, "GET", path, "shop:door", 200, "", `"accessKeyId":"S3CAMT`},
		{"keys without a thing name", door, "GET", path, "", 200, "", `"sessionToken":"`},
		{"keys for a new certificate", renewed.Pair, "GET", path, "yard", 200, "", `"expiration":"`},
		{"a certificate that was taken away", yard, "GET", path, "yard", 403, "AccessDeniedException", `{"message":"Certificate is invalid on this endpoint"}`},
		{"a certificate that was never made here", forged, "GET", path, "shop:door", 403, "AccessDeniedException", "Certificate is invalid"},
		{"a disabled camera", off, "GET", path, "off", 403, "AccessDeniedException", `{"message":"Access Denied"}`},
		{"the name of another thing", door, "GET", path, "yard", 403, "AccessDeniedException", `{"message":"Invalid thing name passed"}`},
		{"its prefix for its thing name", door, "GET", path, "shop/door", 403, "AccessDeniedException", "Invalid thing name passed"},
		{"another role alias", door, "GET", "/role-aliases/other/credentials", "", 404, "ResourceNotFoundException", `{"message":"Role alias does not exist"}`},
		{"no role alias", door, "GET", "/role-aliases//credentials", "", 404, "ResourceNotFoundException", "Role alias"},
		{"something else", door, "GET", "/", "", 404, "ResourceNotFoundException", "Not Found"},
		{"dots", door, "GET", "/role-aliases/../role-aliases/s3cam/credentials", "", 404, "ResourceNotFoundException", "Role alias"},
		{"another method", door, "POST", path, "", 405, "InvalidRequestException", "Method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := e.ask(t, e.client(t, tt.pair), tt.method, tt.path, tt.thing)
			if err != nil || got.status != tt.status || got.kind != tt.kind || !strings.Contains(got.body, tt.says) {
				t.Errorf("%+v, %v; want %d %s %s", got, err, tt.status, tt.kind, tt.says)
			}
			if tt.status != 200 && strings.Contains(got.body, "Key") {
				t.Errorf("a refusal with keys: %s", got.body)
			}
		})
	}
}

func TestWhoHasNoCertificateDoesNotGetIn(t *testing.T) {
	e, other := start(t), start(t)
	foreign := other.camera(t, "door")
	server, err := e.ca.Server([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string]*registry.Pair{"none": nil, "of another authority": foreign, "of a server": server} {
		if got, err := e.ask(t, e.client(t, pair), "GET", path, ""); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	plain, err := http.Get("http://" + e.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if plain.StatusCode != 400 {
		t.Errorf("without TLS: %d", plain.StatusCode)
	}
}

// A connection that is open when the certificate is taken away is of no use any more, and neither are the keys it gave.
func TestTakingAwayWorksAtOnce(t *testing.T) {
	e := start(t)
	c := e.client(t, e.camera(t, "door"))
	got, err := e.ask(t, c, "GET", path, "")
	if err != nil || got.status != 200 {
		t.Fatalf("%+v, %v", got, err)
	}
	var answer struct {
		Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken, Expiration string }
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
		t.Fatal(err)
	}
	k := answer.Credentials
	if until, err := time.Parse("2006-01-02T15:04:05Z", k.Expiration); err != nil || time.Until(until) > time.Hour || time.Until(until) < 59*time.Minute {
		t.Errorf("expiration %s, %v", k.Expiration, err)
	}
	if a, err := e.reg.Lookup(k.AccessKeyID, k.SessionToken); err != nil || string(a.SecretKey) != k.SecretAccessKey {
		t.Errorf("account %+v, %v", a, err)
	}
	if err := e.reg.Remove("door"); err != nil {
		t.Fatal(err)
	}
	if got, err = e.ask(t, c, "GET", path, ""); err != nil || got.status != 403 || got.kind != "AccessDeniedException" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := e.reg.Lookup(k.AccessKeyID, k.SessionToken); !errors.Is(err, s3server.ErrUnknownKey) {
		t.Errorf("the keys: %v", err)
	}
	if text := e.log.String(); strings.Contains(text, k.SessionToken) || strings.Contains(text, k.SecretAccessKey) || !strings.Contains(text, "camera=door") {
		t.Errorf("log:\n%s", text)
	}
}

// The device's own client, unchanged, as it talks to AWS.
func TestTheClientForAWSIoT(t *testing.T) {
	e := start(t)
	pair := e.camera(t, "shop/door")
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "device.crt"), filepath.Join(dir, "device.key")
	for name, text := range map[string][]byte{cert: pair.Certificate, key: pair.Key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	device := func(thing, alias string) *credential.IoT {
		p, err := credential.NewIoT(credential.IoTConfig{Endpoint: e.addr, ThingName: thing, RoleAlias: alias, CertFile: cert, KeyFile: key, RootCAs: e.ca.Pool()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	c, err := device("shop:door", "s3cam").Retrieve(t.Context())
	if err != nil || c.Expires.IsZero() {
		t.Fatalf("%v", err)
	}
	if a, err := e.reg.Lookup(c.AccessKeyID, string(c.SessionToken)); err != nil || string(a.SecretKey) != string(c.SecretAccessKey) {
		t.Errorf("account: %v", err)
	}
	for _, tt := range []struct{ thing, alias, says string }{
		{"yard", "s3cam", "Invalid thing name passed: the thing must exist"},
		{"shop:door", "other", "Role alias does not exist: create the role alias"},
	} {
		if _, err := device(tt.thing, tt.alias).Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if err := e.reg.Disable("shop/door", true); err != nil {
		t.Fatal(err)
	}
	var refused *credential.IoTError
	if _, err := device("shop:door", "s3cam").Retrieve(t.Context()); !errors.As(err, &refused) || refused.Status != 403 || !refused.Lasting() {
		t.Errorf("disabled: %v", err)
	}
}

func TestConfig(t *testing.T) {
	ca, err := registry.OpenAuthority(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.Open(registry.Config{Dir: t.TempDir(), Bucket: "video"})
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]credserver.Config{
		"nothing":          {},
		"no host":          {Cameras: reg, Authority: ca},
		"a life too short": {Cameras: reg, Authority: ca, Hosts: []string{"h"}, Life: time.Minute},
		"a life too long":  {Cameras: reg, Authority: ca, Hosts: []string{"h"}, Life: 13 * time.Hour},
	} {
		if _, err := credserver.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
