// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/standalone"
)

type serveCmd struct {
	Data       string   `placeholder:"DIR" default:"s3cam-data" help:"Directory of the embedded store; it is created when it does not exist. Not used with --s3-url."`
	HTTP       string   `name:"http" placeholder:"ADDR" default:"127.0.0.1:8080" group:"web" help:"Address of the page and the API."`
	Anonymous  bool     `group:"web" help:"Anyone who reaches --http can watch: nobody has to log in."`
	Host       []string `placeholder:"NAME" group:"web" help:"Further host names under which a server on loopback answers, as behind a reverse proxy; separate several by commas."`
	CORSOrigin []string `name:"cors-origin" placeholder:"ORIGIN" group:"web" help:"Origins whose pages may use the API, as https://example.org, or *; separate several by commas."`
	CameraZone []string `placeholder:"[CAMERA=]ZONE" group:"web" help:"Time zone of a camera, as gate=Europe/Berlin, or without a name of all others: the page offers to show times as clocks there do. Separate several by commas."`
	S3         string   `name:"s3" placeholder:"ADDR" default:"127.0.0.1:9000" group:"store" help:"Address of the embedded S3 store, to which the cameras upload."`

	Keys     keyFlags      `embed:"" group:"store"`
	Store    storeFlags    `embed:"" group:"store"`
	Delivery deliveryFlags `embed:"" group:"playback"`
	Play     playbackFlags `embed:"" group:"playback"`
	MaxClips int           `default:"4" group:"playback" help:"Clips (/clip.mp4, /clip.ts) that are made at a time; 0: none are offered."`
	MaxClip  seconds       `default:"24h" group:"playback" help:"Longest range of one clip."`
	Access   accessFlags   `embed:"" group:"web"`

	CameraKeys cameraKeyFlags `embed:"" group:"store"`
	Keep       serveKeepFlags `embed:"" group:"keep"`
	TLS        tlsFlags       `embed:"" group:"tls"`

	Cache cacheFlags `embed:"" group:"playback"`
	Ops   opsFlags   `embed:"" group:"operation"`
	Log   logFlags   `embed:"" prefix:"log-" group:"log"`
}

func (serveCmd) Help() string {
	return `Runs an S3 store for the cameras to upload to, and the playback API and web page over it. With --s3-url it serves what
lies in that S3 instead. It runs until Ctrl-C or SIGTERM.

Each camera gets a key or a certificate of its own by s3cam camera add, which also prints the configuration of its agent.

Examples:
  s3cam serve --data /var/lib/s3cam --s3 192.168.1.10:9000
  s3cam serve --data /var/lib/s3cam --s3 192.168.1.10:9000 --credentials-addr 192.168.1.10:8443
  s3cam serve --s3-url https://s3.example.org --bucket video
  AWS_PROFILE=prod s3cam serve --s3-url aws --bucket my-video-bucket --region eu-central-1`
}

func (c *serveCmd) Run(ctx context.Context, g *globals) error {
	zone, zones, err := cameraZones(c.CameraZone)
	if err != nil {
		return err
	}
	cfg := standalone.Config{
		Web: standalone.Web{
			Addr: c.HTTP, Anonymous: c.Anonymous, Hosts: c.Host, CORSOrigins: c.CORSOrigin, Zone: zone, CameraZones: zones,
		},
		Playback: c.Play.playback(),
		Ready:    func(a standalone.Addresses) { c.welcome(g.out, a) },
		Logger:   c.Log.logger(g.err, slog.LevelInfo),
	}
	cfg.Playback.MaxClip = c.MaxClip.d()
	if cfg.Playback.MaxClips = c.MaxClips; c.MaxClips == 0 {
		cfg.Playback.MaxClips = -1
	}
	if err := c.Delivery.apply(&cfg.Playback); err != nil {
		return err
	}
	if err := c.Access.apply(&cfg); err != nil {
		return err
	}
	c.CameraKeys.apply(&cfg)
	c.Keep.apply(&cfg)
	c.TLS.apply(&cfg)
	if c.Store.S3URL != "" {
		client, err := c.Store.client(ctx, c.Keys, cfg.Logger)
		if err != nil {
			return err
		}
		cfg.Store = client
		return c.run(ctx, g, cfg)
	}
	if c.Data == "" {
		return usage("--data: it is empty; name a directory")
	}
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	cfg.Engine = &standalone.Engine{
		Dir: dir, Addr: c.S3, Region: c.Store.Region, Bucket: c.Store.Bucket, AccessKey: c.Keys.S3AccessKey, SecretKey: c.Keys.S3SecretKey,
	}
	return c.run(ctx, g, cfg)
}

// cameraZones reads --camera-zone: the zone of all cameras, and those of single ones.
func cameraZones(flags []string) (string, map[string]string, error) {
	all, zones := "", map[string]string{}
	for _, f := range flags {
		camera, zone, named := strings.Cut(f, "=")
		if !named {
			camera, zone = "", f
		}
		if err := zoneExists(zone); err != nil {
			return "", nil, usage("--camera-zone %s: %w", f, err)
		}
		if named {
			zones[camera] = zone
		} else {
			all = zone
		}
	}
	return all, zones, nil
}

// zoneExists tells a misspelled name, as far as this machine has a list of time zones; browsers have their own.
func zoneExists(name string) error {
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		return nil
	}
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return fmt.Errorf("%q is not a time zone, such as Europe/Berlin", name)
	}
	return nil
}

func (c *serveCmd) welcome(w io.Writer, a standalone.Addresses) {
	fmt.Fprintf(w, "\ns3cam serves %s/\n\n", a.Web)
	setupBlock(w, a)
	if a.S3 != "" {
		camerasBlock(w, a, c.Data)
		return
	}
	fmt.Fprintf(w, "  Footage comes from bucket %s.\n\n", a.Bucket)
}
