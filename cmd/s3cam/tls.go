// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/state"
	"github.com/s3cam/s3cam/internal/tlscert"
)

type tlsCmd struct {
	SelfSigned tlsSelfSignedCmd `cmd:"" help:"Make a certificate that nobody vouches for, for a local network."`
}

type tlsSelfSignedCmd struct {
	Host []string `required:"" placeholder:"NAME" help:"Host names and addresses under which cameras and browsers reach the server; separate several by commas."`
	Out  string   `default:"." placeholder:"DIR" help:"Directory for cert.pem and key.pem, which must not exist yet."`
	Days int      `default:"825" help:"Days that it is good for; some clients take no more than 825."`
}

func (tlsSelfSignedCmd) Help() string {
	return `Writes cert.pem and key.pem (mode 0600) for s3cam serve --tls-cert and --tls-key. Cameras are given cert.pem as the root that they trust; browsers
ask once, or get it among their trusted roots.

Example:
  s3cam tls self-signed --host 192.168.1.10,nvr.local --out /var/lib/s3cam/tls`
}

func (c *tlsSelfSignedCmd) Run(g *globals) error {
	if c.Days < 1 || c.Days > 36500 {
		return usage("--days: %d, want 1 to 36500", c.Days)
	}
	cert, key, fingerprint, err := tlscert.SelfSigned(c.Host, time.Duration(c.Days)*24*time.Hour, time.Now())
	if err != nil {
		return kinded{err, errUsage}
	}
	if err := state.MkdirAll(c.Out); err != nil {
		return err
	}
	certFile, keyFile := filepath.Join(c.Out, "cert.pem"), filepath.Join(c.Out, "key.pem")
	if err := createFile(keyFile, key); err != nil {
		return err
	}
	if err := createFile(certFile, cert); err != nil {
		return errors.Join(err, os.Remove(keyFile))
	}
	fmt.Fprintf(g.out, "%s\n%s\n", certFile, keyFile)
	fmt.Fprintf(g.err, "SHA-256 %s\nnext: s3cam serve --tls-cert %s --tls-key %s\n", fingerprint, certFile, keyFile)
	return nil
}

// createFile writes a file that must not exist.
func createFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hint.With(err, "choose another directory with --out, or remove the old file first")
	}
	if err != nil {
		return err
	}
	if err = state.Adopt(f); err == nil { // below a service's directory the service has to read it
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
