// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/internal/doctor"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
)

type doctorCmd struct {
	Data    string   `placeholder:"DIR" default:"s3cam-data" help:"Directory of the embedded store. Not used with --s3-url or --url."`
	HTTP    string   `name:"http" placeholder:"ADDR" default:"127.0.0.1:8080" group:"web" help:"Address of the page and the API."`
	Host    []string `placeholder:"NAME" group:"web" help:"Public host names of the server; separate several by commas."`
	S3      string   `name:"s3" placeholder:"ADDR" default:"127.0.0.1:9000" group:"store" help:"Address of the embedded S3 store, to which the cameras upload."`
	TLSCert string   `name:"tls-cert" placeholder:"FILE" group:"tls" help:"The certificate that the server has."`
	TLSKey  string   `name:"tls-key" placeholder:"FILE" group:"tls" help:"Its key."`
	ACME    []string `name:"acme-domain" placeholder:"DOMAIN" group:"tls" help:"Domains for which the server gets a certificate by itself."`
	S3Plain bool     `name:"s3-plain" group:"tls" help:"The port of the embedded store is without TLS."`
	Metrics string   `placeholder:"ADDR" group:"operation" help:"Address at which Prometheus reads."`

	URL     string `name:"url" placeholder:"URL" help:"Look at this server from outside, as a viewer would, and at nothing else."`
	Ready   bool   `help:"Ask the server at --http whether it is ready, with TLS or without, and look at nothing else: for health checks of containers."`
	Token   string `placeholder:"TOKEN" help:"A playback token to try at --url. Prefer the variable."`
	Origin  string `placeholder:"ORIGIN" help:"A page elsewhere that shows the cameras, as https://example.org: may it read the API and, where --delivery is not direct, the store?"`
	TimeURL string `name:"time-url" placeholder:"URL" help:"A web server whose clock is right, to compare this machine's with; its answer has a Date."`
	JSON    bool   `help:"Print the result as JSON on standard output."`

	MaxConnections int `default:"4096" group:"operation" help:"Connections of viewers at a time."`

	Keys     keyFlags      `embed:"" group:"store"`
	Store    storeFlags    `embed:"" group:"store"`
	Delivery deliveryFlags `embed:"" group:"playback"`
	Log      logFlags      `embed:"" prefix:"log-" group:"log"`
}

func (doctorCmd) Help() string {
	return `Looks at what a server needs, says of each whether it is right (ok), will soon matter (warn) or does not work (fail), and what to do
about it: disk, rights, clock, open files, ports, names, certificate, what the keys may do in the store, and which cameras are silent. It
takes the same flags and variables as serve: run it with the server's, as its user, beside it or while it is stopped. Nothing is changed; a
probe object below .s3cam-doctor/ is stored and deleted again.

With --url it asks a server from outside: name, certificate with its chain, whether it is ready, what strangers see.

With --ready it asks the server at --http, with TLS or without, whether it is ready, and nothing else: for health checks.

Exit code 1 when a line says fail.

Examples:
  s3cam doctor --data /var/lib/s3cam
  s3cam doctor --s3-url https://s3.example.org --bucket video
  s3cam doctor --url https://video.example.org --json`
}

func (c *doctorCmd) Run(ctx context.Context, g *globals) error {
	if c.Ready {
		if c.URL != "" {
			return usage("--ready asks the server at --http; it does not go with --url")
		}
		return c.ready(ctx, g)
	}
	cfg := doctor.Config{URL: c.URL, Token: c.Token, TimeURL: c.TimeURL, Origin: c.Origin, Logger: c.Log.logger(g.err, slog.LevelWarn)}
	if c.URL == "" {
		if err := c.server(ctx, &cfg); err != nil {
			return err
		}
	}
	print := func(l doctor.Line) {
		fmt.Fprintf(g.out, "%-4s  %-18s %s\n", l.Level, l.Check, l.Found)
		if l.Advice != "" {
			fmt.Fprintf(g.out, "%24s -> %s\n", "", l.Advice)
		}
	}
	if c.JSON {
		print = nil
	}
	lines := doctor.Run(ctx, cfg, print)
	if cfg.Store != nil {
		cfg.Store.Close()
	}
	if ctx.Err() != nil {
		return interrupted()
	}
	worst := doctor.Worst(lines)
	if c.JSON {
		e := json.NewEncoder(g.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(map[string]any{"worst": worst, "lines": lines}); err != nil {
			return err
		}
	}
	if worst == doctor.Fail {
		return silent{errors.New("something does not work")}
	}
	return nil
}

// server looks at the server that the flags describe.
func (c *doctorCmd) server(ctx context.Context, cfg *doctor.Config) error {
	secure := c.TLSCert != "" || len(c.ACME) > 0
	for _, name := range c.ACME {
		if !slices.Contains(c.Host, name) {
			c.Host = append(c.Host, name)
		}
	}
	cfg.Hosts, cfg.CertFile, cfg.KeyFile, cfg.Connections = c.Host, c.TLSCert, c.TLSKey, c.MaxConnections
	cfg.Ports = append(cfg.Ports, doctor.Port{Flag: "--http", Addr: c.HTTP, TLS: secure})
	if c.Metrics != "" {
		cfg.Ports = append(cfg.Ports, doctor.Port{Flag: "--metrics", Addr: c.Metrics})
	}
	if c.Delivery.Delivery == "direct" && (c.Delivery.ReplayDelivery == "auto" || c.Delivery.ReplayDelivery == "direct") {
		cfg.Origin = "" // segments come from the server itself
	}
	if c.Store.S3URL != "" {
		client, err := c.Store.client(ctx, c.Keys, cfg.Logger)
		if err != nil {
			return err
		}
		cfg.Store = client
		return c.listCameras(cfg, client)
	}
	if c.Data == "" {
		return usage("--data: it is empty; name a directory")
	}
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	secureStore := secure && !c.S3Plain
	cfg.Dir = dir
	cfg.Ports = append(cfg.Ports, doctor.Port{Flag: "--s3", Addr: c.S3, TLS: secureStore})
	bucket := or(c.Store.Bucket, s3server.DefaultBucket)
	if opened, err := s3server.OpenBucket(dir, bucket); err == nil {
		if err := c.listCameras(cfg, opened); err != nil {
			return err
		}
	}
	cfg.Store, cfg.StoreSkipped = c.embedded(ctx, dir, bucket, secureStore)
	return nil
}

// embedded is a client of the embedded store with its own key pair, or says why there is none.
func (c *doctorCmd) embedded(ctx context.Context, dir, bucket string, secure bool) (*s3.Client, string) {
	addr, err := ownAddress(c.S3)
	if err != nil {
		return nil, fmt.Sprintf("--s3 %q is not an address", c.S3)
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, "the embedded store does not run at " + c.S3
	}
	conn.Close()
	access, secret := c.Keys.S3AccessKey, s3.Secret(c.Keys.S3SecretKey)
	if access == "" {
		pair, err := s3server.LoadCredentials(dir)
		if err != nil {
			return nil, "its key pair cannot be read: " + strings.TrimSpace(err.Error())
		}
		access, secret = pair.AccessKey, s3.Secret(pair.SecretKey)
	}
	cfg := s3.Config{Endpoint: "http://" + addr, Region: or(c.Store.Region, s3server.DefaultRegion), Bucket: bucket, PathStyle: true,
		Credentials: s3.Static(access, secret, ""), MaxAttempts: 2}
	if secure {
		cfg.Endpoint = "https://" + addr
		// Whether the certificate is good is a check of its own; here it is for a public name, not for this address.
		cfg.Transport = &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}
	}
	client, err := s3.New(cfg)
	if err != nil {
		return nil, err.Error()
	}
	return client, ""
}

// listCameras lets the doctor ask for the cameras in a store.
func (c *doctorCmd) listCameras(cfg *doctor.Config, store playback.Store) error {
	service, err := playback.New(playback.Config{Store: store, Windows: cache.NewMemory(cache.MemoryConfig{}), Logger: cfg.Logger})
	if err != nil {
		return err
	}
	cfg.Cameras = service.Cameras
	return nil
}

// ready asks the server of this machine. Its certificate is for a public name, so who it is is not verified; the address is our own.
func (c *doctorCmd) ready(ctx context.Context, g *globals) error {
	addr, err := ownAddress(c.HTTP)
	if err != nil {
		return usage("--http: %q is not an address", c.HTTP)
	}
	client := http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}}
	var text []byte
	for _, scheme := range []string{"http", "https"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+addr+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("the server does not answer: %w", err)
		}
		text, err = io.ReadAll(io.LimitReader(res.Body, 4<<10))
		res.Body.Close()
		if err != nil {
			return err
		}
		if res.StatusCode == http.StatusOK {
			fmt.Fprintln(g.out, "ready")
			return nil
		}
		if res.StatusCode != http.StatusBadRequest { // what a server with TLS says to a request without
			break
		}
	}
	return fmt.Errorf("the server is not ready: %s", strings.TrimSpace(string(text)))
}

// ownAddress is where to reach a server of this machine that listens on addr.
func ownAddress(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
