// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/standalone"
)

// ageValue is a time to keep footage: days, or as Go writes durations.
type ageValue time.Duration

func (a *ageValue) UnmarshalText(text []byte) error {
	d, err := retention.ParseAge(string(text))
	*a = ageValue(d)
	return err
}

// sizeValue is a number of bytes.
type sizeValue int64

func (s *sizeValue) UnmarshalText(text []byte) error {
	n, err := retention.ParseSize(string(text))
	*s = sizeValue(n)
	return err
}

// reserveValue is room on a disk.
type reserveValue retention.Reserve

func (r *reserveValue) UnmarshalText(text []byte) error {
	v, err := retention.ParseReserve(string(text))
	*r = reserveValue(v)
	return err
}

// keepFlags say how long footage is kept.
type keepFlags struct {
	RetentionDays  ageValue     `default:"0" placeholder:"DAYS" help:"Delete footage of this age, as 7 or 7d for days, or 36h; 0: never. For single cameras see s3cam retention set."`
	RetentionBytes sizeValue    `default:"0" placeholder:"SIZE" help:"Delete the oldest of a camera when it has more than this, as 500GB or 20GiB; 0: never."`
	KeepFree       reserveValue `default:"0" placeholder:"SIZE" help:"Delete the oldest of all cameras when less than this is free on the disk of --data, as 20GB or 5%; 0: never."`
}

func (f *keepFlags) retention() standalone.Retention {
	return standalone.Retention{
		Default:  retention.Limits{Age: time.Duration(f.RetentionDays), Bytes: int64(f.RetentionBytes)},
		KeepFree: retention.Reserve(f.KeepFree),
	}
}

// serveKeepFlags are keepFlags of a server.
type serveKeepFlags struct {
	keepFlags
	NoRetention bool `help:"Delete nothing, whatever the rules say: for all but one of several servers on the same bucket."`
}

func (f *serveKeepFlags) apply(cfg *standalone.Config) {
	cfg.Retention = f.retention()
	cfg.Retention.Off = f.NoRetention
}

// tlsFlags say how the ports are encrypted.
type tlsFlags struct {
	TLSCert       string   `name:"tls-cert" placeholder:"FILE" help:"Serve by TLS: the certificate with its chain (PEM). The file is read again when it changes."`
	TLSKey        string   `name:"tls-key" placeholder:"FILE" help:"The key of --tls-cert (PEM, without a passphrase)."`
	ACMEDomain    []string `name:"acme-domain" placeholder:"NAME" help:"Get the certificate for this public host name by ACME and renew it; separate several by commas. It agrees to the authority's terms."`
	ACMEEmail     string   `name:"acme-email" placeholder:"ADDRESS" help:"Where the ACME authority may write to."`
	ACMEDirectory string   `name:"acme-directory" placeholder:"URL" help:"Directory of the ACME authority. Without it Let's Encrypt."`
	HTTPRedirect  string   `name:"http-redirect" placeholder:"ADDR" help:"Listen here too, as :80, send browsers on to https, and answer ACME challenges."`
	HSTS          seconds  `name:"hsts" default:"4320h" help:"How long browsers shall come by https only, once they have seen a certificate that they trust; 0: not said."`
	S3Plain       bool     `name:"s3-plain" help:"Keep the port of the embedded store without TLS: for cameras that cannot."`
}

func (f *tlsFlags) apply(cfg *standalone.Config) {
	cfg.TLS = standalone.TLS{
		CertFile: f.TLSCert, KeyFile: f.TLSKey, Domains: f.ACMEDomain, Email: f.ACMEEmail, Directory: f.ACMEDirectory,
		PlainStore: f.S3Plain, Redirect: f.HTTPRedirect, HSTS: f.HSTS.d(),
	}
}
