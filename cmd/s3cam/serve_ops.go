// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/s3cam/s3cam/internal/standalone"
)

// opsFlags are for operating the server.
type opsFlags struct {
	Metrics        string  `placeholder:"ADDR" help:"Address at which Prometheus reads /metrics, as 127.0.0.1:9180; beyond this machine it needs --metrics-token. Without it admins and the token find them at the page's address."`
	MetricsToken   string  `placeholder:"SECRET" help:"What Prometheus sends as Authorization: Bearer. Prefer the variable: a command line can be read by others on the machine."`
	MetricsCameras seconds `default:"2m" help:"How often the cameras of an external store are listed for the metrics; 0: never."`
	MaxConnections int     `default:"4096" help:"Connections of viewers at a time; further ones are closed at once. 0: no limit."`
	MaxPerAddress  int     `default:"512" help:"The same for one address other than this machine's and --trusted-proxy; of IPv6 for one /64. 0: no limit."`
	DrainDelay     seconds `default:"0s" help:"How long to go on answering after SIGTERM while /readyz says no, so that a load balancer looks away first."`
	AccessLog      bool    `help:"Log each request, without its query."`
}

func (f *opsFlags) apply(cfg *standalone.Config) {
	unlimited := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	cfg.Metrics = standalone.Metrics{Addr: f.Metrics, Token: f.MetricsToken, Cameras: f.MetricsCameras.d()}
	if f.MetricsCameras == 0 {
		cfg.Metrics.Cameras = -1
	}
	cfg.Limits = standalone.Limits{Connections: unlimited(f.MaxConnections), PerAddress: unlimited(f.MaxPerAddress), DrainDelay: f.DrainDelay.d()}
	cfg.AccessLog = f.AccessLog
}

// firstSocket is the first descriptor that systemd hands over (SD_LISTEN_FDS_START).
const firstSocket = 3

// sockets takes over what systemd holds open for this service (sd_listen_fds(3)): connections wait there while the service
// starts anew. Sockets are told by their names (FileDescriptorName=): http, s3, metrics; without names the first is http and
// the second s3. The addresses of the configuration become theirs.
func sockets(env map[string]string, pid int, cfg *standalone.Config) error {
	n, err := strconv.Atoi(env["LISTEN_FDS"])
	if owner, perr := strconv.Atoi(env["LISTEN_PID"]); err != nil || perr != nil || n <= 0 || owner != pid {
		return nil
	}
	if n > 3 {
		return usage("systemd handed over %d sockets; there are three: http, s3, metrics", n)
	}
	names := strings.Split(env["LISTEN_FDNAMES"], ":")
	for i := range n {
		fd := firstSocket + i
		syscall.CloseOnExec(fd)
		name := []string{"http", "s3", "metrics"}[i]
		if i < len(names) && names[i] != "" && names[i] != "unknown" && !strings.Contains(names[i], ".") { // its default is the unit's name
			name = names[i]
		}
		file := os.NewFile(uintptr(fd), name)
		l, err := net.FileListener(file) // a copy
		file.Close()
		if err != nil {
			return fmt.Errorf("socket %q from systemd: %w", name, err)
		}
		if err := takeSocket(cfg, name, l); err != nil {
			l.Close()
			return err
		}
	}
	return nil
}

func takeSocket(cfg *standalone.Config, name string, l net.Listener) error {
	var slot *net.Listener
	var addr *string
	switch {
	case name == "http":
		slot, addr = &cfg.Listeners.HTTP, &cfg.Web.Addr
	case name == "s3" && cfg.Engine != nil:
		slot, addr = &cfg.Listeners.S3, &cfg.Engine.Addr
	case name == "metrics":
		slot, addr = &cfg.Listeners.Metrics, &cfg.Metrics.Addr
	default:
		return usage("systemd handed over a socket %q: this server has no use for it (FileDescriptorName= is http, s3 or metrics)", name)
	}
	if *slot != nil {
		return usage("systemd handed over two sockets %q", name)
	}
	if _, ok := l.Addr().(*net.TCPAddr); !ok {
		return usage("the socket %q from systemd is not one of TCP (ListenStream=PORT)", name)
	}
	*slot, *addr = l, l.Addr().String()
	return nil
}

// notify tells systemd, where it asks for that (sd_notify(3)), and does nothing elsewhere.
func notify(env map[string]string, state string) {
	name := env["NOTIFY_SOCKET"]
	if name == "" {
		return
	}
	if name[0] == '@' {
		name = "\x00" + name[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}

// supervised tells systemd that the server has started, that it lives, and that it ends. The result ends that.
func supervised(ctx context.Context, env map[string]string) (stop func()) {
	notify(env, "READY=1")
	done := make(chan struct{})
	go func() {
		var beat <-chan time.Time
		if us, err := strconv.ParseInt(env["WATCHDOG_USEC"], 10, 64); err == nil && us > 0 {
			t := time.NewTicker(time.Duration(us) * time.Microsecond / 3)
			defer t.Stop()
			beat = t.C
		}
		stopping := ctx.Done()
		for {
			select {
			case <-beat:
				notify(env, "WATCHDOG=1")
			case <-stopping:
				notify(env, "STOPPING=1")
				stopping = nil // the beats go on until all has ended
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// run runs the server that the flags describe, under systemd where it is there.
func (c *serveCmd) run(ctx context.Context, g *globals, cfg standalone.Config) error {
	c.Ops.apply(&cfg)
	if err := c.Cache.apply(ctx, &cfg); err != nil {
		return err
	}
	if err := sockets(g.env, os.Getpid(), &cfg); err != nil {
		return err
	}
	stop := func() {}
	defer func() { stop() }()
	welcome := cfg.Ready
	cfg.Ready = func(a standalone.Addresses) {
		welcome(a)
		stop = supervised(ctx, g.env)
	}
	return configured(standalone.Run(ctx, cfg))
}
