// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/internal/standalone"
)

// What `s3cam camera add` tells cameras about a server with TLS: who vouches for its certificate, also after a new one, and a name that it is for.
func TestTheServerSaysWhatCamerasHaveToTrust(t *testing.T) {
	files, data := t.TempDir(), t.TempDir()
	certFile, keyFile, _ := certificate(t, files, "nvr.example")
	start(t, standalone.Config{Engine: &standalone.Engine{Dir: data, Addr: "127.0.0.1:0", Volatile: true}, TLS: standalone.TLS{CertFile: certFile, KeyFile: keyFile}})
	known := func() registry.Server {
		s, err := registry.LoadServer(data)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	certPEM := func() string {
		b, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if s := known(); s.CA != certPEM() || !strings.HasPrefix(s.S3, "https://127.0.0.1:") {
		t.Errorf("it says %+v", s)
	}
	certificate(t, files, "nvr.example")
	polltest.Until(t, time.Minute, "the new certificate is told to cameras that are added", func() bool { return known().CA == certPEM() })

	// Listening everywhere, with a certificate for a name: cameras need the name.
	other := t.TempDir()
	start(t, standalone.Config{Engine: &standalone.Engine{Dir: other, Addr: "0.0.0.0:0", Volatile: true}, Web: standalone.Web{Hosts: []string{"nvr.example"}},
		TLS: standalone.TLS{CertFile: certFile, KeyFile: keyFile}})
	if s, err := registry.LoadServer(other); err != nil || !strings.HasPrefix(s.S3, "https://nvr.example:") {
		t.Errorf("listening everywhere it says %+v, %v", s, err)
	}

	plain := t.TempDir()
	start(t, standalone.Config{Engine: &standalone.Engine{Dir: plain, Addr: "127.0.0.1:0", Volatile: true}, TLS: standalone.TLS{CertFile: certFile, KeyFile: keyFile, PlainStore: true}})
	if s, err := registry.LoadServer(plain); err != nil || s.CA != "" || !strings.HasPrefix(s.S3, "http://127.0.0.1:") {
		t.Errorf("without TLS for cameras it says %+v, %v", s, err)
	}
}
