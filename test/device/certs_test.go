// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
)

// authority is a certificate authority of one test.
type authority struct {
	*certtest.Authority
	file string // its certificate, for the device
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{certtest.New(t, "s3cam test authority"), filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(a.file, a.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// leaf describes a server's certificate.
type leaf struct {
	names      []string // besides 127.0.0.1 unless foreign
	foreign    bool     // not for 127.0.0.1
	selfSigned bool
}

// issue makes a certificate and its key, as files and ready for a listener.
func (a *authority) issue(t testing.TB, l leaf) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	hosts := l.names
	if !l.foreign {
		hosts = append([]string{"127.0.0.1"}, hosts...)
	}
	p := a.Issue(certtest.Leaf{Name: "s3cam test server", Hosts: hosts, SelfSigned: l.selfSigned,
		From: time.Now().AddDate(-10, 0, 0), Until: time.Now().AddDate(0, 0, 1)}) // a clock that is far off finds it invalid
	certFile, keyFile = p.Files(t, t.TempDir())
	return certFile, keyFile, p.Certificate
}
