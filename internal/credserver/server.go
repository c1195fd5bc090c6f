// SPDX-License-Identifier: Apache-2.0

package credserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/registry"
)

// Defaults and bounds.
const (
	DefaultRoleAlias = "s3cam"
	MaxConnections   = 1024 // further ones are closed at once; a camera needs one for a second in an hour

	headTimeout  = 10 * time.Second // of the handshake, too
	writeTimeout = 30 * time.Second
	idleTimeout  = 30 * time.Second
	maxHead      = 8 << 10
)

// Cameras is what is needed of *registry.Registry.
type Cameras interface {
	// Holder returns the camera of a verified certificate, or registry.ErrCertificate or registry.ErrDisabled.
	Holder(*x509.Certificate) (registry.Camera, error)
	// Issue makes session keys for it.
	Issue(*x509.Certificate, time.Duration) (registry.Session, error)
}

// Config configures a Server. Cameras and Authority are required.
type Config struct {
	Cameras   Cameras
	Authority *registry.Authority // whose certificates cameras have, and which vouches for the server
	Hosts     []string            // names and IP addresses under which cameras reach the server; at least one
	RoleAlias string              // default DefaultRoleAlias
	Life      time.Duration       // of session keys; default registry.DefaultSession
	Logger    *slog.Logger        // nil discards
}

// Server is a credential endpoint.
type Server struct {
	cfg   Config
	http  *http.Server
	conns atomic.Int64
}

// New makes a server; its key and certificate are made anew and live as long as it does.
func New(cfg Config) (*Server, error) {
	if cfg.Cameras == nil || cfg.Authority == nil || len(cfg.Hosts) == 0 {
		return nil, errors.New("credential server: Cameras, Authority and Hosts are required")
	}
	if cfg.RoleAlias == "" {
		cfg.RoleAlias = DefaultRoleAlias
	}
	if cfg.Life == 0 {
		cfg.Life = registry.DefaultSession
	}
	if cfg.Life < registry.MinSession || cfg.Life > registry.MaxSession {
		return nil, fmt.Errorf("credential server: keys can be good for %v to %v, not %v", registry.MinSession, registry.MaxSession, cfg.Life)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	pair, err := cfg.Authority.Server(cfg.Hosts)
	if err != nil {
		return nil, fmt.Errorf("credential server: certificate: %w", err)
	}
	cert, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("credential server: certificate: %w", err)
	}
	s := &Server{cfg: cfg}
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: headTimeout, ReadTimeout: headTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHead,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cfg.Authority.Pool(),
			// A resumed session would skip nothing that is asked here, but it saves nothing either.
			SessionTicketsDisabled: true},
		Protocols: new(http.Protocols), ConnState: s.count,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.http.Protocols.SetHTTP1(true)
	return s, nil
}

// Serve answers on l until Shutdown, and closes it.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("credential server: %w", err)
	}
	return nil
}

// Shutdown lets requests under way finish until ctx ends, then cuts them.
func (s *Server) Shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// count bounds the connections.
func (s *Server) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.conns.Add(1) > MaxConnections {
			c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}

// ServeHTTP implements http.Handler. The connection's certificate has been verified.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		s.refuse(w, r, "", 403, "AccessDeniedException", "Access Denied")
		return
	}
	alias, ok := strings.CutPrefix(r.URL.Path, "/role-aliases/")
	if ok {
		alias, ok = strings.CutSuffix(alias, "/credentials")
	}
	if !ok {
		s.refuse(w, r, "", 404, "ResourceNotFoundException", "Not Found")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		s.refuse(w, r, "", 405, "InvalidRequestException", "Method Not Allowed")
		return
	}
	cert := r.TLS.VerifiedChains[0][0]
	camera, err := s.cfg.Cameras.Holder(cert)
	switch {
	case errors.Is(err, registry.ErrDisabled):
		s.refuse(w, r, cert.Subject.CommonName, 403, "AccessDeniedException", "Access Denied")
		return
	case err != nil:
		s.refuse(w, r, cert.Subject.CommonName, 403, "AccessDeniedException", "Certificate is invalid on this endpoint")
		return
	}
	for _, name := range r.Header.Values("X-Amzn-Iot-Thingname") {
		if name != camera.Thing {
			s.refuse(w, r, camera.Thing, 403, "AccessDeniedException", "Invalid thing name passed")
			return
		}
	}
	if alias != s.cfg.RoleAlias {
		s.refuse(w, r, camera.Thing, 404, "ResourceNotFoundException", "Role alias does not exist")
		return
	}
	session, err := s.cfg.Cameras.Issue(cert, s.cfg.Life)
	if err != nil {
		s.cfg.Logger.Error("no keys for a camera", "camera", camera.ID, "err", err)
		answer(w, 500, "InternalFailureException", map[string]string{"message": "Internal Failure"})
		return
	}
	s.cfg.Logger.Info("keys for a camera", "camera", camera.ID, "access_key", session.AccessKey, "until", session.Expires, "remote", r.RemoteAddr)
	answer(w, 200, "", map[string]any{"credentials": map[string]string{
		"accessKeyId": session.AccessKey, "secretAccessKey": string(session.SecretKey), "sessionToken": string(session.Token),
		"expiration": session.Expires.UTC().Format(time.RFC3339),
	}})
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, thing string, status int, kind, message string) {
	s.cfg.Logger.Warn("no keys for a camera", "thing", thing, "status", status, "message", message, "remote", r.RemoteAddr)
	answer(w, status, kind, map[string]string{"message": message})
}
