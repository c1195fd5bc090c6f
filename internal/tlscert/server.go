// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// ServerConfig is how a web port is served: TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1. For TLS 1.2 only ECDHE with AES-GCM or
// ChaCha20-Poly1305 is left (RFC 9325 4.2); those of 1.3 are all good.
func ServerConfig(s Source) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1", acme.ALPNProto},
		GetCertificate: s.GetCertificate,
	}
}

// HSTS adds Strict-Transport-Security (RFC 6797) to answers over TLS. Browsers heed it only where they trust the certificate.
func HSTS(maxAge time.Duration, next http.Handler) http.Handler {
	if maxAge <= 0 {
		return next
	}
	value := "max-age=" + strconv.FormatInt(int64(maxAge/time.Second), 10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", value)
		}
		next.ServeHTTP(w, r)
	})
}

// Redirect sends GET and HEAD to the same path at https://host[:port]. covers tells whether the certificate is for a host; besides these
// the address at which the request arrived is allowed. Other hosts, which somebody may have written into a link, are
// refused with 400, and so are other methods: what they would send again has been seen on the wire already.
func Redirect(covers func(host string) bool, port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Connection", "close")
		host, ok := hostOf(r.Host)
		if !ok || !covers(host) && !arrivedAt(r, host) {
			http.Error(w, "this server is not reached under that name", http.StatusBadRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "use https", http.StatusMethodNotAllowed)
			return
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if port != 443 {
			host += ":" + strconv.Itoa(port)
		}
		to := url.URL{Scheme: "https", Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		if !strings.HasPrefix(to.Path, "/") {
			to.Path, to.RawPath = "/", ""
		}
		h.Set("Location", to.String())
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusPermanentRedirect)
		if r.Method == http.MethodGet {
			fmt.Fprintln(w, "use https")
		}
	})
}

// hostOf returns the host of a Host header without port and brackets, in lower case.
func hostOf(header string) (string, bool) {
	if len(header) > 300 {
		return "", false
	}
	host := header
	if h, p, err := net.SplitHostPort(header); err == nil {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return "", false
		}
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip := net.ParseIP(host); ip != nil {
		return ip.String(), true
	}
	for _, c := range host {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", false
		}
	}
	return host, host != ""
}

// arrivedAt tells whether host is the address of this machine at which the request came in.
func arrivedAt(r *http.Request, host string) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	ip := net.ParseIP(host)
	if !ok || ip == nil {
		return false
	}
	at, _, err := net.SplitHostPort(local.String())
	return err == nil && net.ParseIP(at).Equal(ip)
}
