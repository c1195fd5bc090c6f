// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/credserver"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/registry"
)

// CameraKeys says how cameras show who they are, beside the store's own key pair. Key pairs of their own need nothing here;
// the registry of cameras is in the state directory, and an embedded store always asks it.
type CameraKeys struct {
	CredentialsAddr string   // host:port of the endpoint that gives session keys for certificates; empty: there is none
	Hosts           []string // names and addresses under which cameras reach it, besides those of this machine
	RoleAlias       string   // default credserver.DefaultRoleAlias
}

// keyed is what is running of it.
type keyed struct {
	registry *registry.Registry
	group    group
	shutdown func(context.Context) // of the credential endpoint; nil: there is none
}

func (k *keyed) stop(ctx context.Context) {
	if k.shutdown != nil {
		k.shutdown(ctx)
	}
	k.group.stop()
}

const credentialDrain = 5 * time.Second

// Connections of the credential endpoint at a time. When all are taken the oldest makes room, whatever it does: a camera needs its own for a second, and
// who opens many and says nothing must not keep cameras from their keys. It is less than where credserver itself begins to refuse, since that counts
// a connection until its goroutine has ended.
const (
	credentialConnections = credserver.MaxConnections * 3 / 4
	credentialPerAddress  = credserver.MaxConnections / 2 // of cameras behind one router
)

func (k *CameraKeys) problem(embedded bool) error {
	switch {
	case k.CredentialsAddr == "" && len(k.Hosts) > 0:
		return errors.New("--credentials-host needs --credentials-addr")
	case k.CredentialsAddr == "":
		return nil
	case !embedded:
		return hint.With(errors.New("--credentials-addr gives keys for the embedded store only"), "with --s3-url the store's owner gives keys, for AWS see s3cam camera add --stack")
	}
	_, err := onLoopback(k.CredentialsAddr, "--credentials-addr")
	return err
}

// openCameras reads which cameras there are.
func (s *server) openCameras() error {
	dir := s.cfg.StateDir()
	var err error
	if s.keyed.registry, err = registry.Open(registry.Config{Dir: dir, Bucket: s.cfg.Engine.Bucket, Now: s.cfg.Now, Logger: s.log}); err != nil {
		return dataError(dir, err)
	}
	return nil
}

// startCredentials starts the credential endpoint, and notes for `s3cam camera add` where the server is.
func (s *server) startCredentials(ctx context.Context) error {
	k, e := s.cfg.CameraKeys, s.cfg.Engine
	listens := e.Addr
	if l := s.cfg.Listeners.S3; l != nil {
		listens = l.Addr().String()
	}
	host, _, err := net.SplitHostPort(listens)
	if err != nil {
		return err
	}
	// The URL with the address as it was given: on all interfaces means more than the one in s.engine.URL.
	scheme, at, _ := strings.Cut(s.engine.URL(), "://")
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return err
	}
	if scheme == "https" {
		host = s.coveredHost(host)
	}
	note := registry.Server{S3: scheme + "://" + net.JoinHostPort(host, port), Bucket: e.Bucket, Region: s.engine.Region()}
	if k.CredentialsAddr != "" {
		if note.Credentials, err = s.serveCredentials(ctx, k); err != nil {
			return err
		}
		if note.RoleAlias = k.RoleAlias; note.RoleAlias == "" {
			note.RoleAlias = credserver.DefaultRoleAlias
		}
	}
	s.noteServer(note)
	return nil
}

// serveCredentials returns the address that it listens on.
func (s *server) serveCredentials(ctx context.Context, k CameraKeys) (string, error) {
	dir := s.cfg.StateDir()
	ca, err := registry.OpenAuthority(dir, s.cfg.Now())
	if err != nil {
		return "", dataError(dir, err)
	}
	l, err := listen(k.CredentialsAddr, false, "--credentials-addr")
	if err != nil {
		return "", err
	}
	host, _, _ := net.SplitHostPort(k.CredentialsAddr)
	srv, err := credserver.New(credserver.Config{Cameras: s.keyed.registry, Authority: ca, Hosts: append(machineHosts(host), k.Hosts...), RoleAlias: k.RoleAlias, Logger: s.log})
	if err != nil {
		l.Close()
		return "", configError{err}
	}
	limits := newLimited(l, Limits{Connections: credentialConnections, PerAddress: credentialPerAddress}, nil, func(int) {}, func(string) {})
	s.keyed.group.run(ctx, s.failed, func(context.Context) error { return srv.Serve(limits) })
	s.keyed.shutdown = func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, credentialDrain)
		defer cancel()
		srv.Shutdown(ctx)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.addresses.Credentials = net.JoinHostPort(host, port)
	s.log.Info("credential endpoint ready", "addr", l.Addr().String())
	return s.addresses.Credentials, nil
}

// machineHosts are the names and addresses of this machine under which a server that listens on host can be reached.
func machineHosts(host string) []string {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		if ip != nil && ip.IsLoopback() {
			return []string{host, "localhost"}
		}
		return []string{host}
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return hosts
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !slices.Contains(hosts, n.IP.String()) {
			hosts = append(hosts, n.IP.String())
		}
	}
	return hosts
}
