// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/s3cam/s3cam/internal/access/token"
)

const (
	allowedMethods = "GET, HEAD, OPTIONS"
	allowedHeaders = "Authorization, If-None-Match, Range"
	exposedHeaders = "Content-Disposition, Content-Length, Content-Range, Date, ETag, Retry-After, X-Request-Id, " +
		"X-S3cam-Start, X-S3cam-End, X-S3cam-Estimated-Bytes, X-S3cam-Segments, X-S3cam-Skipped"
)

// cors adds the headers by which a page of another origin may read the answer, errors included: without them a browser
// hides even the status. Credentials are never allowed across origins; tokens travel in the URL or a header.
func (h *handler) cors(header http.Header, r *http.Request) {
	if len(h.cfg.CORSOrigins) == 0 {
		return
	}
	if slices.Contains(h.cfg.CORSOrigins, "*") {
		header["Access-Control-Allow-Origin"] = []string{"*"}
	} else {
		header.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" || !slices.Contains(h.cfg.CORSOrigins, origin) {
			return
		}
		header["Access-Control-Allow-Origin"] = []string{origin}
	}
	header["Access-Control-Expose-Headers"] = []string{exposedHeaders}
}

// borrowed tells whether a page of another site has a browser on this machine load from a server on loopback, which is open to that
// machine: it may not read the answer, but a video element tells it how long and how large a clip is. Where origins are named, pages of others are
// meant to load; who follows a link sees an answer by himself; a token is a permission of its own.
func (h *handler) borrowed(r *http.Request) bool {
	if !h.cfg.CheckHost || len(h.cfg.CORSOrigins) > 0 || field(r, "Sec-Fetch-Site") != "cross-site" || field(r, "Sec-Fetch-Mode") == "navigate" {
		return false
	}
	_, given := token.FromQuery(r.URL.RawQuery)
	return !given
}

// options answers OPTIONS, a preflight or not (Fetch 3.2.2).
func (h *handler) options(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Allow", allowedMethods)
	header.Set("Cache-Control", "no-store")
	if r.Header.Get("Access-Control-Request-Method") != "" && header.Get("Access-Control-Allow-Origin") != "" {
		header.Set("Access-Control-Allow-Methods", allowedMethods)
		header.Set("Access-Control-Allow-Headers", allowedHeaders)
		header.Set("Access-Control-Max-Age", "86400")
	}
	w.WriteHeader(http.StatusNoContent)
}

// hostAllowed guards a server on loopback against DNS rebinding: a page of some other site, whose name was made to point
// to 127.0.0.1, has that name in the Host header. An IP address or localhost cannot be rebound.
func (h *handler) hostAllowed(host string) bool {
	if !h.cfg.CheckHost {
		return true
	}
	if last := h.goodHost.Load(); last != nil && *last == host {
		return true // as a player's every request
	}
	if !h.hostKnown(host) {
		return false
	}
	known := host
	h.goodHost.Store(&known)
	return true
}

func (h *handler) hostKnown(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.Trim(strings.ToLower(name), "[]")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || net.ParseIP(name) != nil {
		return true
	}
	return slices.Contains(h.cfg.Hosts, name)
}
