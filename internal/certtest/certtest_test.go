// SPDX-License-Identifier: Apache-2.0

package certtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
)

func TestWhatIsIssuedIsTrusted(t *testing.T) {
	a := certtest.New(t, "authority")
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		leaf  certtest.Leaf
		host  string
		trust bool
	}{
		{"by itself for this machine", certtest.Leaf{}, "127.0.0.1", true},
		{"for a name", certtest.Leaf{Hosts: []string{"cams.example"}}, "cams.example", true},
		{"not for another name", certtest.Leaf{}, "cams.example", false},
		{"not after its end", certtest.Leaf{Until: at.Add(-time.Hour)}, "127.0.0.1", false},
		{"not when nobody vouches for it", certtest.Leaf{SelfSigned: true}, "127.0.0.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := a.Issue(tt.leaf)
			if _, err := p.Leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: tt.host, CurrentTime: at}); (err == nil) != tt.trust {
				t.Errorf("it is trusted: %v, want %v", err, tt.trust)
			}
			if _, err := tls.LoadX509KeyPair(p.Files(t, t.TempDir())); err != nil {
				t.Error(err)
			}
		})
	}
}
