// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// exchange asks the endpoint once, on a connection of its own: it is needed again in an hour. life is how long the credentials are valid from
// now on.
func (p *IoT) exchange(ctx context.Context) (c sigv4.Credentials, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	if err := p.loadPair(); err != nil {
		return c, 0, fmt.Errorf("AWS IoT: certificate and key of the device: %w", err)
	}
	client := http1.New(http1.Config{Address: p.cfg.Endpoint, Dial: p.cfg.Dial, TLS: &tls.Config{
		RootCAs: p.cfg.RootCAs, MinVersion: tls.VersionTLS12, Time: p.verificationTime,
		// The certificate is sent whichever authorities the endpoint says that it knows: its refusal explains more than none.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.pair, nil },
	}})
	defer client.Close()
	r, err := client.Do(ctx, &http1.Request{Method: "GET", Target: p.target, Header: []http1.Field{
		{Name: "x-amzn-iot-thingname", Value: p.cfg.ThingName}, {Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "s3cam"},
	}})
	if err != nil {
		return c, 0, fmt.Errorf("AWS IoT credential endpoint: %w%s", err, connectionHint(err))
	}
	if !r.Date.IsZero() && p.cfg.Heard != nil {
		p.cfg.Heard(r.Date)
	}
	if r.Status != 200 {
		return c, 0, refusal(r.Status, r.Get("x-amzn-errortype"), r.Body)
	}
	if r.Truncated {
		return c, 0, errors.New("AWS IoT credential endpoint: the answer is too long or was cut off")
	}
	if c, err = ParseIoT(r.Body); err != nil {
		return sigv4.Credentials{}, 0, fmt.Errorf("AWS IoT credential endpoint: %w", err)
	}
	if life, err = p.left(c.Expires, r.Date); err != nil {
		return sigv4.Credentials{}, 0, fmt.Errorf("AWS IoT credential endpoint: %w", err)
	}
	return c, life, nil
}

// left returns for how long credentials are valid, by the clock of the server that says when they end. Without that the device's clock has to
// do, and where it gives nonsense the shortest life that a role alias can have.
func (p *IoT) left(expires, date time.Time) (time.Duration, error) {
	if date.IsZero() {
		if left := expires.Sub(p.cfg.Now()); left > margin && left <= maxLife {
			return left, nil
		}
		return minLife, nil
	}
	left := expires.Sub(date)
	if left <= margin {
		return 0, fmt.Errorf("the credentials have expired on arrival: at %s, the server's time is %s", expires.UTC().Format(time.RFC3339),
			date.UTC().Format(time.RFC3339))
	}
	return min(left, maxLife), nil
}

// loadPair reads certificate and key. A pair that cannot be read while there is an older one is being replaced.
func (p *IoT) loadPair() error {
	pair, err := tls.LoadX509KeyPair(p.cfg.CertFile, p.cfg.KeyFile)
	if err == nil {
		p.pair = &pair
		return nil
	}
	if p.pair == nil {
		return err
	}
	p.log.Warn("certificate and key of the device cannot be used, the last ones stay", "error", err)
	return nil
}

func (p *IoT) verificationTime() time.Time {
	if now := p.cfg.Now(); now.After(p.cfg.TimeFloor) {
		return now
	}
	return p.cfg.TimeFloor
}

// connectionHint says what helps against errors of TLS; "" when nothing particular does.
func connectionHint(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var op *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "; the trusted certificates must have the endpoint's authority, for AWS Amazon Root CA 1"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "; is the device's clock right?"
	case errors.As(err, &host):
		return "; the endpoint must be written as aws iot describe-endpoint --endpoint-type iot:CredentialProvider prints it"
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert
		return "; the endpoint refuses the device's certificate: it must be registered and active in the endpoint's account and region"
	}
	return ""
}

// ParseIoT reads the endpoint's answer, {"credentials":{"accessKeyId":"...","secretAccessKey":"...","sessionToken":"...",
// "expiration":"2018-01-18T09:18:06Z"}}. Errors show no values.
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

// Lasting tells that somebody has to change something: the configuration of the device, or the account's.
func (e *IoTError) Lasting() bool { return e.Status < 500 && e.Status != 429 && e.Status != 408 }

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

// remedies are by what the messages contain, since all refusals of a kind have the same status; the last of each status is for messages
// that are not known.
var remedies = [...]struct {
	status       int
	text, remedy string
}{
	{403, "thing name", "the thing must exist, and the certificate must be attached to it (aws iot attach-thing-principal)"},
	{403, "certificate is invalid", "the certificate must be active, of the endpoint's account and region; is it the right endpoint?"},
	{403, "", "the certificate needs an attached policy that allows iot:AssumeRoleWithCertificate on the role alias, and must be active"},
	{404, "", "create the role alias in the endpoint's region, or set the name of the one that is there"},
	{400, "maxsessionduration", "lower the role alias's CredentialDurationSeconds or raise the role's MaxSessionDuration"},
	{400, "unable to assume", "the role must exist and trust the service credentials.iot.amazonaws.com with sts:AssumeRole"},
	{400, "", "look at the role alias: its role, and its CredentialDurationSeconds against the role's MaxSessionDuration"},
}

func refusal(status int, kind string, body []byte) *IoTError {
	e := &IoTError{Status: status, Type: line(kind, 60)}
	if s, err := stringsOf(body); err == nil {
		if e.Message = s["message"]; e.Message == "" {
			e.Message = s["Message"]
		}
	}
	e.Message = line(e.Message, 200)
	low := strings.ToLower(e.Message)
	for _, r := range remedies {
		if r.status == status && strings.Contains(low, r.text) {
			e.Remedy = r.remedy
			break
		}
	}
	return e
}

// line makes a foreign text fit for a log.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
