// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	exchangeTimeout = 30 * time.Second

	// Pauses after a failure, with jitter of half of it. What the configuration is to blame for does not mend itself.
	netPauseMin, netPauseMax       = 2 * time.Second, time.Minute
	configPauseMin, configPauseMax = 2 * time.Minute, 15 * time.Minute

	// Credentials that end this soon are not used for another request.
	margin = 5 * time.Second
)

// IoTConfig describes a device of AWS IoT and its credential endpoint.
type IoTConfig struct {
	Endpoint  string // host[:port] of `aws iot describe-endpoint --endpoint-type iot:CredentialProvider`
	ThingName string
	RoleAlias string
	// CertFile and KeyFile are the device's certificate and private key in PEM form. They are read for each connection, so they
	// can be replaced at any time.
	CertFile, KeyFile string

	RootCAs   *x509.CertPool
	Now       func() time.Time // as near to the true time as is known; time.Now
	TimeFloor time.Time        // certificates are verified for no earlier time
	Heard     func(time.Time)  // the server's time, with each answer; may be nil
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	Logger    *slog.Logger // nil discards
}

// IoT gets temporary credentials from the AWS IoT credential endpoint, which knows the device by its certificate (mutual TLS). They are
// renewed after about three quarters of their life, each device at a moment of its own, while the old ones are still in use; a request
// waits only when there are none that are valid. It is safe for use by several goroutines, one exchange runs at a time.
type IoT struct {
	cfg    IoTConfig
	target string
	share  float64 // of the life of credentials after which they are renewed: 0.75 to 0.80
	log    *slog.Logger

	mu     sync.Mutex
	has    bool
	c      sigv4.Credentials
	renew  time.Time // when to
	flight *flight   // an exchange under way
	err    error     // of the last one
	wait   time.Time // no exchange before, by the monotonic clock
	fails  int
}

type flight struct {
	done chan struct{}
	err  error
}

// NewIoT checks the configuration. It does not connect, and the files need not be there yet.
func NewIoT(cfg IoTConfig) (*IoT, error) {
	var errs []error
	for _, f := range []struct{ name, value string }{{"endpoint", cfg.Endpoint}, {"thing name", cfg.ThingName}, {"role alias", cfg.RoleAlias},
		{"certificate file", cfg.CertFile}, {"key file", cfg.KeyFile}} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("AWS IoT: the %s is missing", f.name))
		}
	}
	if !only(cfg.RoleAlias, "_=,@-") {
		errs = append(errs, fmt.Errorf("AWS IoT: %q is no name of a role alias: letters, digits and _=,@- only", cfg.RoleAlias))
	}
	if !only(cfg.ThingName, ":_-") || len(cfg.ThingName) > 128 {
		errs = append(errs, fmt.Errorf("AWS IoT: %q is no thing name: at most 128 letters, digits and :_-", cfg.ThingName))
	}
	cfg.Endpoint = strings.TrimSuffix(strings.TrimPrefix(cfg.Endpoint, "https://"), "/")
	if cfg.Endpoint != "" && !only(cfg.Endpoint, ".-:[]") {
		errs = append(errs, fmt.Errorf("AWS IoT: endpoint %q must be a host name, as aws iot describe-endpoint prints it", cfg.Endpoint))
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
	h := fnv.New32a()
	h.Write([]byte(cfg.ThingName))
	return &IoT{cfg: cfg, target: "/role-aliases/" + string(sigv4.AppendQueryValue(nil, cfg.RoleAlias)) + "/credentials", log: cfg.Logger,
		share: 0.75 + 0.05*float64(h.Sum32())/(1<<32)}, nil
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

// Retrieve implements [Provider].
func (p *IoT) Retrieve(ctx context.Context) (sigv4.Credentials, error) {
	p.mu.Lock()
	now := p.cfg.Now()
	valid := p.has && now.Before(p.c.Expires.Add(-margin))
	if valid && now.Before(p.renew) {
		defer p.mu.Unlock()
		return p.c, nil
	}
	f := p.begin(false)
	if valid {
		defer p.mu.Unlock()
		return p.c, nil
	}
	if f == nil {
		defer p.mu.Unlock()
		return sigv4.Credentials{}, fmt.Errorf("%w: %w", ErrNone, p.err)
	}
	p.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return sigv4.Credentials{}, fmt.Errorf("%w: %w", ErrNone, ctx.Err())
	}
	if f.err != nil {
		return sigv4.Credentials{}, fmt.Errorf("%w: %w", ErrNone, f.err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.c, nil
}

// Refresh implements [Provider]: it renews the credentials now, unless that has just failed.
func (p *IoT) Refresh(ctx context.Context) error {
	p.mu.Lock()
	f := p.begin(true)
	err := p.err
	p.mu.Unlock()
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts an exchange, or returns the one under way; nil when it is not yet time for another try. mu is held.
func (p *IoT) begin(force bool) *flight {
	if p.flight != nil {
		return p.flight
	}
	if time.Now().Before(p.wait) && !(force && p.fails == 0) {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	p.flight = f
	go func() {
		c, err := p.exchange()
		p.mu.Lock()
		p.took(c, err)
		f.err = p.err
		p.flight = nil
		p.mu.Unlock()
		close(f.done)
	}()
	return f
}

// took notes the outcome of an exchange. mu is held.
func (p *IoT) took(c sigv4.Credentials, err error) {
	p.err = err
	if err == nil {
		now := p.cfg.Now()
		p.c, p.has, p.fails, p.wait = c, true, 0, time.Time{}
		p.renew = now.Add(time.Duration(p.share * float64(c.Expires.Sub(now))))
		p.log.Info("credentials from AWS IoT", "access_key", c.AccessKeyID, "until", c.Expires.UTC().Format(time.RFC3339))
		return
	}
	p.fails++
	first, most := netPauseMin, netPauseMax
	var refused *IoTError
	if errors.As(err, &refused) && refused.Status < 500 {
		first, most = configPauseMin, configPauseMax
	}
	pause := min(first<<min(p.fails-1, 10), most)
	pause = pause/2 + rand.N(pause/2)
	p.wait = time.Now().Add(pause)
	p.log.Warn("no credentials from AWS IoT", "error", err, "again_in", pause.Round(time.Second), "old_ones_valid", p.has && p.cfg.Now().Before(p.c.Expires))
}

// exchange asks the endpoint once, on a connection of its own: it is needed again in an hour.
func (p *IoT) exchange() (sigv4.Credentials, error) {
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	pair, err := tls.LoadX509KeyPair(p.cfg.CertFile, p.cfg.KeyFile)
	if err != nil {
		return sigv4.Credentials{}, fmt.Errorf("AWS IoT: certificate and key of the device: %w", err)
	}
	client := http1.New(http1.Config{Address: p.cfg.Endpoint, Dial: p.cfg.Dial, TLS: &tls.Config{
		RootCAs: p.cfg.RootCAs, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, Time: p.verificationTime,
	}})
	defer client.Close()
	r, err := client.Do(ctx, &http1.Request{Method: "GET", Target: p.target, Header: []http1.Field{
		{Name: "x-amzn-iot-thingname", Value: p.cfg.ThingName}, {Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "s3cam"},
	}})
	if err != nil {
		return sigv4.Credentials{}, fmt.Errorf("AWS IoT credential endpoint: %w", err)
	}
	if !r.Date.IsZero() && p.cfg.Heard != nil {
		p.cfg.Heard(r.Date)
	}
	if r.Status != 200 {
		return sigv4.Credentials{}, refusal(r.Status, r.Get("x-amzn-errortype"), r.Body)
	}
	if r.Truncated {
		return sigv4.Credentials{}, errors.New("AWS IoT credential endpoint: the answer is too long or was cut off")
	}
	c, err := ParseIoT(r.Body)
	if err != nil {
		return c, fmt.Errorf("AWS IoT credential endpoint: %w", err)
	}
	// The end is the server's time. Where the device's clock differs, what is left of the life counts.
	if !r.Date.IsZero() {
		c.Expires = p.cfg.Now().Add(c.Expires.Sub(r.Date))
	}
	if left := c.Expires.Sub(p.cfg.Now()); left <= margin {
		return sigv4.Credentials{}, fmt.Errorf("AWS IoT credential endpoint: the credentials have expired already, %v ago; is the clock right?", -left)
	}
	return c, nil
}

func (p *IoT) verificationTime() time.Time {
	if now := p.cfg.Now(); now.After(p.cfg.TimeFloor) {
		return now
	}
	return p.cfg.TimeFloor
}

// ParseIoT reads the endpoint's answer. Errors show no values.
func ParseIoT(body []byte) (sigv4.Credentials, error) {
	s, err := stringsOf(body)
	if err != nil {
		return sigv4.Credentials{}, errors.New("the answer is no JSON object")
	}
	c := sigv4.Credentials{AccessKeyID: s["credentials.accessKeyId"], SecretAccessKey: sigv4.Secret(s["credentials.secretAccessKey"]),
		SessionToken: sigv4.Secret(s["credentials.sessionToken"])}
	if err := Check(c); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("in the answer %w", err)
	}
	if c.SessionToken == "" {
		return sigv4.Credentials{}, errors.New("in the answer the session token is missing")
	}
	if c.Expires, err = time.Parse(time.RFC3339, s["credentials.expiration"]); err != nil {
		return sigv4.Credentials{}, errors.New("in the answer the expiration is no time")
	}
	return c, nil
}

// IoTError is a refusal of the credential endpoint.
type IoTError struct {
	Status  int
	Type    string // x-amzn-ErrorType
	Message string // as sent, one printable line
	Remedy  string // "" when none is known
}

// Error returns one line.
func (e *IoTError) Error() string {
	text := fmt.Sprintf("AWS IoT credential endpoint: %d", e.Status)
	for _, s := range []string{e.Type, e.Message} {
		if s != "" {
			text += ", " + s
		}
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// remedies are by what the messages contain, since all refusals of a kind have the same status.
var remedies = [...]struct{ status, text, remedy string }{
	{"403", "thing name", "iot-thing must be the thing to which the certificate is attached"},
	{"403", "certificate is invalid", "the certificate belongs to another account or region than the endpoint"},
	{"403", "access denied", "attach a policy to the certificate that allows iot:AssumeRoleWithCertificate on the role alias, and activate the certificate"},
	{"404", "role alias", "create the role alias in the endpoint's region, or mend iot-role-alias"},
	{"400", "maxsessionduration", "lower the role alias's duration or raise the role's maximum session duration"},
	{"400", "unable to assume", "the role must trust credentials.iot.amazonaws.com"},
}

func refusal(status int, kind string, body []byte) *IoTError {
	e := &IoTError{Status: status, Type: line(kind, 60)}
	if s, err := stringsOf(body); err == nil {
		e.Message = s["message"]
		if e.Message == "" {
			e.Message = s["Message"]
		}
	}
	e.Message = line(e.Message, 200)
	low := strings.ToLower(e.Message)
	for _, r := range remedies {
		if r.status == fmt.Sprint(status) && strings.Contains(low, r.text) {
			e.Remedy = r.remedy
			break
		}
	}
	return e
}

// line makes a foreign text fit for a log.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
