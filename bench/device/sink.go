// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// sink is the server: it takes each PUT over TLS 1.3, reads the body and answers 200, or 503 when it is told to store nothing.
type sink struct {
	*httptest.Server
	roots string // file with the root certificate
	full  atomic.Bool
	mu    sync.Mutex
	seen  map[string]int64 // bytes per first element of the key
	puts  map[string]int
	suite map[uint16]int
}

// newSink listens on 127.0.0.1 with a chain as S3 sends one: RSA-2048 leaf, intermediate and root. It writes the root to file.
func newSink(file string) (*sink, error) {
	chain, key, root, err := newChain()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, root, 0o644); err != nil {
		return nil, err
	}
	s := &sink{roots: file, seen: map[string]int64{}, puts: map[string]int{}, suite: map[uint16]int{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: key}}, MinVersion: tls.VersionTLS13}
	s.StartTLS()
	return s, nil
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "AmazonS3")
	w.Header().Set("x-amz-request-id", "BENCH")
	w.Header().Set("ETag", `"00000000000000000000000000000000"`)
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	if r.Method != http.MethodPut || s.full.Load() {
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	}
	camera := firstElement(r.URL.Path)
	s.mu.Lock()
	s.seen[camera] += n
	s.puts[camera]++
	s.suite[r.TLS.CipherSuite]++
	s.mu.Unlock()
}

// stored tells what arrived below a prefix.
func (s *sink) stored(prefix string) (bytes int64, puts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[prefix], s.puts[prefix]
}

func firstElement(path string) string {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			return path[1:i]
		}
	}
	return path
}

func newChain() (chain [][]byte, key crypto.Signer, root []byte, err error) {
	var parent *x509.Certificate
	var parentKey crypto.Signer
	for i, name := range []string{"bench root", "bench intermediate", "localhost"} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, nil, err
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
			IsCA: i < 2, KeyUsage: x509.KeyUsageDigitalSignature}
		if c.IsCA {
			c.KeyUsage |= x509.KeyUsageCertSign
		} else {
			c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		if parent == nil {
			parent, parentKey = c, k
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), parentKey)
		if err != nil {
			return nil, nil, nil, err
		}
		if i == 0 {
			root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		} else {
			chain = append([][]byte{der}, chain...)
		}
		if parent, err = x509.ParseCertificate(der); err != nil {
			return nil, nil, nil, err
		}
		parentKey, key = k, k
	}
	return chain, key, root, nil
}
