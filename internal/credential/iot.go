// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	exchangeTimeout = 30 * time.Second

	// Pauses after a failure double from the first to the second; each is a random one between a half and the whole. What the
	// configuration is to blame for does not mend itself.
	netPauseMin, netPauseMax       = 2 * time.Second, time.Minute
	configPauseMin, configPauseMax = 2 * time.Minute, 15 * time.Minute

	// margin: credentials that end this soon are not used for another request.
	margin = 5 * time.Second
	// minLife and maxLife are the bounds of a role alias's CredentialDurationSeconds.
	minLife, maxLife = 15 * time.Minute, 12 * time.Hour
)

// IoTConfig describes a device of AWS IoT and its credential endpoint.
type IoTConfig struct {
	// Endpoint is host[:port] as `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints it. The host is also the SNI.
	Endpoint  string
	ThingName string
	RoleAlias string
	// CertFile and KeyFile are the device's certificate and private key in PEM form. They are read for each connection, so they can be
	// replaced at any time; a pair that does not match, while that happens, leaves the last good one in use.
	CertFile, KeyFile string

	RootCAs   *x509.CertPool   // that the endpoint's certificate is verified against; nil: the system's
	Now       func() time.Time // as near to the true time as is known; default time.Now
	TimeFloor time.Time        // certificates are verified for no earlier time
	Heard     func(time.Time)  // the server's time, with each answer; may be nil
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	Logger    *slog.Logger // nil discards
}

// IoT gets temporary credentials from the AWS IoT credential endpoint, which knows the device by its certificate (mutual TLS).
//
// They are renewed after 75 to 80 % of their life, each device at a moment of its own, while the old ones are still in use; Retrieve waits
// only when there are none that are valid. How long they live is counted from their arrival by the monotonic clock and the server's own
// time, so a wrong or changing clock of the device does not matter. One exchange runs at a time, whoever asks. After a failure the
// next one waits: seconds when it was the network or the server's fault, minutes when it was the configuration's (4xx); until then
// Retrieve gives the old ones as long as they are valid, and then the error.
//
// It is safe for use by several goroutines.
type IoT struct {
	cfg    IoTConfig
	target string
	share  float64 // of the life after which they are renewed, as far as the thing's name decides: 0.75 to 0.79
	log    *slog.Logger

	stop context.CancelFunc // ends exchanges
	ctx  context.Context

	mu     sync.Mutex
	has    bool
	c      sigv4.Credentials
	got    time.Time     // when c arrived; with a monotonic reading
	life   time.Duration // that c had left then
	renew  time.Duration // after got
	flight *flight       // an exchange under way
	err    error         // of the last one
	wait   time.Time     // no exchange before
	fails  int
	pair   *tls.Certificate // the last good one; only the exchange under way uses it
}

type flight struct {
	done chan struct{}
	err  error
}

// NewIoT checks the configuration and reports all that is wrong with it. It does not connect, and the files need not be there yet.
func NewIoT(cfg IoTConfig) (*IoT, error) {
	var errs []error
	for _, f := range []struct{ name, value string }{{"endpoint", cfg.Endpoint}, {"thing name", cfg.ThingName}, {"role alias", cfg.RoleAlias},
		{"certificate file", cfg.CertFile}, {"key file", cfg.KeyFile}} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("AWS IoT: the %s is missing", f.name))
		}
	}
	if !only(cfg.RoleAlias, "_=,@-") || len(cfg.RoleAlias) > 128 {
		errs = append(errs, fmt.Errorf("AWS IoT: %.140q is no name of a role alias: at most 128 letters, digits and _=,@-", cfg.RoleAlias))
	}
	if !only(cfg.ThingName, ":_-") || len(cfg.ThingName) > 128 {
		errs = append(errs, fmt.Errorf("AWS IoT: %.140q is no thing name: at most 128 letters, digits and :_-", cfg.ThingName))
	}
	cfg.Endpoint = strings.TrimSuffix(strings.TrimPrefix(cfg.Endpoint, "https://"), "/")
	if cfg.Endpoint != "" && !only(cfg.Endpoint, ".-:[]") {
		errs = append(errs, fmt.Errorf("AWS IoT: endpoint %.140q must be a host name, as aws iot describe-endpoint prints it", cfg.Endpoint))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if _, _, err := net.SplitHostPort(cfg.Endpoint); err != nil {
		cfg.Endpoint = net.JoinHostPort(strings.Trim(cfg.Endpoint, "[]"), "443")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := sha256.Sum256([]byte(cfg.ThingName)) // FNV leaves door-1 and door-2 side by side
	p := &IoT{cfg: cfg, target: "/role-aliases/" + string(sigv4.AppendQueryValue(nil, cfg.RoleAlias)) + "/credentials", log: cfg.Logger,
		share: 0.75 + 0.04*float64(binary.BigEndian.Uint32(h[:]))/(1<<32)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// only tells whether s has nothing but letters, digits and the characters of more.
func only(s, more string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(more, c) >= 0) {
			return false
		}
	}
	return true
}

// Close ends an exchange under way and waits for that; there will be no other. Credentials that are still valid can be retrieved. It
// may be called more than once.
func (p *IoT) Close() {
	p.stop()
	p.mu.Lock()
	f := p.flight
	p.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// valid tells whether there are credentials that can be used. mu is held.
func (p *IoT) valid() bool { return p.has && time.Since(p.got) < p.life-margin }

// Retrieve implements [Provider].
func (p *IoT) Retrieve(ctx context.Context) (sigv4.Credentials, error) {
	p.mu.Lock()
	if p.valid() {
		defer p.mu.Unlock()
		if time.Since(p.got) >= p.renew {
			p.begin()
		}
		return p.c, nil
	}
	f := p.begin()
	if f == nil {
		defer p.mu.Unlock()
		return sigv4.Credentials{}, fmt.Errorf("%w: %w", ErrNone, p.err)
	}
	p.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return sigv4.Credentials{}, fmt.Errorf("%w yet: %w", ErrNone, context.Cause(ctx))
	}
	if f.err != nil {
		return sigv4.Credentials{}, fmt.Errorf("%w: %w", ErrNone, f.err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.c, nil
}

// Refresh implements [Provider]: it renews the credentials now. It does not when that has just happened, since the server then refused the
// ones before; and not when it has just failed, which is the error.
func (p *IoT) Refresh(ctx context.Context) error {
	p.mu.Lock()
	if p.flight == nil && p.has && p.fails == 0 && time.Since(p.got) < justNow {
		p.mu.Unlock()
		return nil
	}
	f, err := p.begin(), p.err
	p.mu.Unlock()
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin starts an exchange, or returns the one under way; nil when it is not yet time for another try, or never again. mu is held.
func (p *IoT) begin() *flight {
	if p.flight != nil {
		return p.flight
	}
	if p.ctx.Err() != nil {
		p.err = errors.New("AWS IoT: closed")
		return nil
	}
	if time.Now().Before(p.wait) {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	p.flight = f
	go func() {
		defer close(f.done)
		c, life, err := p.exchange(p.ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.took(c, life, err)
		f.err = err
		p.flight = nil
	}()
	return f
}

// took notes the outcome of an exchange. mu is held.
func (p *IoT) took(c sigv4.Credentials, life time.Duration, err error) {
	p.err = err
	if err == nil {
		p.c, p.has, p.fails, p.wait = c, true, 0, time.Time{}
		p.got, p.life = time.Now(), life
		p.renew = time.Duration((p.share + 0.01*rand.Float64()) * float64(life))
		p.log.Info("credentials from AWS IoT", "access_key", c.AccessKeyID, "until", c.Expires.UTC().Format(time.RFC3339),
			"renewed_in", p.renew.Round(time.Second))
		return
	}
	p.fails++
	first, most := netPauseMin, netPauseMax
	var refused *IoTError
	if errors.As(err, &refused) && refused.Lasting() {
		first, most = configPauseMin, configPauseMax
	}
	pause := min(first<<min(p.fails-1, 10), most)
	pause = pause/2 + rand.N(pause/2)
	p.wait = time.Now().Add(pause)
	if p.ctx.Err() == nil {
		p.log.Warn("no credentials from AWS IoT", "error", err, "again_in", pause.Round(time.Second), "old_ones_valid", p.valid())
	}
}
