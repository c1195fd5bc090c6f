// SPDX-License-Identifier: Apache-2.0

package tlscert_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

// authority is an ACME server (RFC 8555) that checks challenges at given addresses instead of by DNS. It does not verify signatures.
type authority struct {
	t        *testing.T
	srv      *httptest.Server
	alpnAddr string // host:port for tls-alpn-01, empty: that challenge is not offered
	httpAddr string // the same for http-01

	mu     sync.Mutex
	key    *ecdsa.PrivateKey
	thumb  string
	domain string
	valid  bool
	cert   []byte
	issued int
	used   []string // challenges that were passed
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	a.srv = httptest.NewTLSServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.srv.Close)
	return a
}

func (a *authority) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Replay-Nonce", rand.Text())
	u := a.srv.URL
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if r.Method == http.MethodGet && r.URL.Path == "/dir" {
		answer(200, map[string]string{"newNonce": u + "/nonce", "newAccount": u + "/account", "newOrder": u + "/new", "revokeCert": u + "/revoke", "keyChange": u + "/change"})
		return
	}
	if r.URL.Path == "/nonce" {
		return
	}
	protected, payload, err := jws(r.Body)
	if err != nil {
		answer(400, map[string]string{"type": "urn:ietf:params:acme:error:malformed"})
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	order := func() map[string]any {
		o := map[string]any{"status": "pending", "identifiers": []any{map[string]string{"type": "dns", "value": a.domain}},
			"authorizations": []string{u + "/authz"}, "finalize": u + "/finalize"}
		if a.valid {
			o["status"] = "ready"
		}
		if a.cert != nil {
			o["status"], o["certificate"] = "valid", u+"/cert"
		}
		return o
	}
	challenge := func(kind string) map[string]string {
		status := "pending"
		if a.valid {
			status = "valid"
		}
		return map[string]string{"type": kind, "url": u + "/challenge/" + kind, "token": "tok-" + kind, "status": status}
	}
	switch path := r.URL.Path; {
	case path == "/account":
		if jwk, ok := protected["jwk"].(map[string]any); ok {
			point := slices.Concat([]byte{4}, coordinate(jwk["x"]), coordinate(jwk["y"])) // uncompressed (SEC 1 §2.3.3)
			pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
			if err != nil {
				answer(400, map[string]string{"type": "urn:ietf:params:acme:error:badPublicKey"})
				return
			}
			a.thumb, _ = acme.JWKThumbprint(pub)
		}
		w.Header().Set("Location", u+"/account/1")
		answer(201, map[string]string{"status": "valid"})
	case path == "/new":
		var in struct{ Identifiers []struct{ Value string } }
		_ = json.Unmarshal(payload, &in)
		a.domain, a.valid, a.cert = in.Identifiers[0].Value, false, nil
		w.Header().Set("Location", u+"/order")
		answer(201, order())
	case path == "/order":
		answer(200, order())
	case path == "/authz":
		var kinds []any
		if a.alpnAddr != "" {
			kinds = append(kinds, challenge("tls-alpn-01"))
		}
		if a.httpAddr != "" {
			kinds = append(kinds, challenge("http-01"))
		}
		status := "pending"
		if a.valid {
			status = "valid"
		}
		answer(200, map[string]any{"status": status, "identifier": map[string]string{"type": "dns", "value": a.domain}, "challenges": kinds})
	case strings.HasPrefix(path, "/challenge/"):
		kind := strings.TrimPrefix(path, "/challenge/")
		if err := a.validate(kind); err != nil {
			a.t.Errorf("%s: %v", kind, err)
			answer(403, map[string]string{"type": "urn:ietf:params:acme:error:unauthorized", "detail": err.Error()})
			return
		}
		a.valid = true
		a.used = append(a.used, kind)
		answer(200, challenge(kind))
	case path == "/finalize":
		var in struct{ CSR string }
		_ = json.Unmarshal(payload, &in)
		if a.cert, err = a.issue(in.CSR); err != nil {
			answer(400, map[string]string{"type": "urn:ietf:params:acme:error:badCSR", "detail": err.Error()})
			return
		}
		w.Header().Set("Location", u+"/order")
		answer(200, order())
	case path == "/cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(a.cert)
	default:
		answer(404, map[string]string{"type": "urn:ietf:params:acme:error:malformed"})
	}
}

func coordinate(v any) []byte {
	s, _ := v.(string)
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return b
}

func jws(body io.Reader) (protected map[string]any, payload []byte, err error) {
	var in struct{ Protected, Payload string }
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return nil, nil, err
	}
	head, err := base64.RawURLEncoding.DecodeString(in.Protected)
	if err == nil {
		err = json.Unmarshal(head, &protected)
	}
	if err == nil {
		payload, err = base64.RawURLEncoding.DecodeString(in.Payload)
	}
	return protected, payload, err
}

// validate does what RFC 8555 8.3 (http-01) and RFC 8737 (tls-alpn-01) ask of an authority.
func (a *authority) validate(kind string) error {
	want := "tok-" + kind + "." + a.thumb
	if kind == "http-01" {
		req, err := http.NewRequest(http.MethodGet, "http://"+a.httpAddr+"/.well-known/acme-challenge/tok-http-01", nil)
		if err != nil {
			return err
		}
		req.Host = a.domain
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || strings.TrimSpace(string(got)) != want {
			return fmt.Errorf("%d %q, want %q", res.StatusCode, got, want)
		}
		return nil
	}
	c, err := tls.Dial("tcp", a.alpnAddr, &tls.Config{ServerName: a.domain, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	if got := c.ConnectionState().NegotiatedProtocol; got != "acme-tls/1" {
		return fmt.Errorf("protocol %q", got)
	}
	sum := sha256.Sum256([]byte(want))
	digest, err := asn1.Marshal(sum[:])
	if err != nil {
		return err
	}
	for _, ext := range c.ConnectionState().PeerCertificates[0].Extensions {
		if ext.Id.String() == "1.3.6.1.5.5.7.1.31" && bytes.Equal(ext.Value, digest) {
			return nil
		}
	}
	return fmt.Errorf("the certificate does not answer the challenge")
}

func (a *authority) issue(csr string) ([]byte, error) {
	der, err := base64.RawURLEncoding.DecodeString(csr)
	if err != nil {
		return nil, err
	}
	req, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	a.issued++
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(a.issued)), Subject: pkix.Name{CommonName: "issued"}, DNSNames: req.DNSNames,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(90 * 24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	leaf, err := x509.CreateCertificate(rand.Reader, tmpl, root, req.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	ca, err := x509.CreateCertificate(rand.Reader, root, root, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})...), nil
}

func pool(t *testing.T, certPEM []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(certPEM) {
		t.Fatal("no certificate")
	}
	return p
}
