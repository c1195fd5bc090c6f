// SPDX-License-Identifier: Apache-2.0

package credserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// issue makes a certificate in the name of door, signed by a parent, and a client that shows it and what it was signed by.
func (e *endpoint) issue(t *testing.T, parent tls.Certificate, change func(*x509.Certificate)) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "door"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, parent.Leaf, key.Public(), parent.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	chain := tls.Certificate{Certificate: append([][]byte{der}, parent.Certificate...), PrivateKey: key}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.ca.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &chain, nil }}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func pairOf(t *testing.T, certificate, key []byte) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a thief can make of a camera's key, and what a clerk can make of the authority's: none of it gets keys of the store.
func TestCertificatesThatAreNotOnes(t *testing.T) {
	e := start(t)
	device := e.camera(t, "door")
	stolen := pairOf(t, device.Certificate, device.Key)
	text, err := os.ReadFile(filepath.Join(e.dir, "ca", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	authority := pairOf(t, text, text)
	for _, tt := range []struct {
		name   string
		parent tls.Certificate
		change func(*x509.Certificate)
		status int // 0: the handshake fails
	}{
		{"signed with a camera's key", stolen, func(*x509.Certificate) {}, 0},
		{"an authority signed with a camera's key", stolen, func(c *x509.Certificate) { c.IsCA = true }, 0},
		{"expired", authority, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }, 0},
		{"not good yet", authority, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour / 2) }, 0},
		{"for servers", authority, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, 0},
		{"in its name, but not in the registry", authority, func(*x509.Certificate) {}, 403},
		{"an authority below the authority", authority, func(c *x509.Certificate) { c.IsCA = true }, 403},
	} {
		got, err := e.ask(t, e.issue(t, tt.parent, tt.change), "GET", path, "door")
		if (err != nil) != (tt.status == 0) || err == nil && got.status != tt.status {
			t.Errorf("%s: %+v, %v; want %d", tt.name, got, err, tt.status)
		}
	}
	// The certificate of the authority itself is no camera's, and the device's own is still good.
	self := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.ca.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &authority, nil }}}
	t.Cleanup(self.CloseIdleConnections)
	if got, err := e.ask(t, &http.Client{Transport: self, Timeout: 20 * time.Second}, "GET", path, "door"); err == nil && got.status != 403 {
		t.Errorf("the authority's own: %+v", got)
	}
	if got, err := e.ask(t, e.client(t, device), "GET", path, "door"); err != nil || got.status != 200 {
		t.Errorf("the camera's own: %+v, %v", got, err)
	}
	// Its key with another camera's certificate is no pair, and other bytes around the same certificate are the same certificate.
	other := e.camera(t, "yard")
	if _, err := tls.X509KeyPair(other.Certificate, device.Key); err == nil {
		t.Error("a certificate goes with another key")
	}
}

// A TLS session that was begun before the certificate was taken away is not taken up again without it being asked for.
func TestSessionsAreNotResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		e := start(t)
		device := e.camera(t, "door")
		c := pairOf(t, device.Certificate, device.Key)
		var resumed []bool
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: e.ca.Pool(), MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(8), Certificates: []tls.Certificate{c},
			VerifyConnection: func(s tls.ConnectionState) error { resumed = append(resumed, s.DidResume); return nil }}}
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		for range 3 {
			if got, err := e.ask(t, client, "GET", path, ""); err != nil || got.status != 200 {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if _, err := e.reg.Rotate("door", 0); err != nil {
			t.Fatal(err)
		}
		if got, err := e.ask(t, client, "GET", path, ""); err != nil || got.status != 403 {
			t.Errorf("TLS %x after the rotation: %+v, %v", version, got, err)
		}
		for _, r := range resumed {
			if r {
				t.Errorf("TLS %x: a session was resumed", version)
			}
		}
	}
}

// Methods and paths that are none, and bodies: refused, and the next request of the connection is read where it begins.
func TestOddRequests(t *testing.T) {
	e := start(t)
	c := e.client(t, e.camera(t, "door"))
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", path, 405}, {"OPTIONS", path, 405}, {"PUT", path, 405}, {"TRACE", path, 405}, {"PROPFIND", path, 405},
		{"GET", path + "/", 404}, {"GET", path + "/..", 404}, {"GET", "/" + path, 404}, {"GET", "/role-aliases/s3cam%2fcredentials", 200}, {"GET", "/role-aliases/s3cam%00/credentials", 404},
		{"GET", "/role-aliases/S3CAM/credentials", 404}, {"GET", "/role-aliases/s3cam/credentials?thing=yard", 200}, {"GET", "/role-aliases/s3cam/x/credentials", 404},
	} {
		got, err := e.ask(t, c, tt.method, tt.path, "")
		if err != nil || got.status != tt.status {
			t.Errorf("%s %s: %+v, %v; want %d", tt.method, tt.path, got, err, tt.status)
		}
	}
	for _, things := range [][]string{{"door", "yard"}, {"yard", "door"}, {"door,yard"}, {"DOOR"}, {" door x"}, {""}} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+e.addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["X-Amzn-Iot-Thingname"] = things
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 403 {
			t.Errorf("thing names %q: %d", things, res.StatusCode)
		}
	}
}
