// SPDX-License-Identifier: Apache-2.0

package access

import (
	"net/http"
	"net/netip"
	"strings"
)

// client is where a request comes from. Behind proxies that are trusted it is the last address of X-Forwarded-For that is not
// theirs: what stands before it is the client's own claim.
func (a *Access) client(r *http.Request) netip.Addr {
	addr := peer(r)
	if !a.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && i >= len(hops)-16; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap().WithZone(""); !a.trusted(addr) {
			break
		}
	}
	return addr
}

func peer(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

func (a *Access) trusted(addr netip.Addr) bool {
	for _, p := range a.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// secure tells whether the browser's connection is encrypted, as far as this can be known.
func (a *Access) secure(r *http.Request) bool {
	return r.TLS != nil || a.trusted(peer(r)) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// limitKey is the address by which guesses are counted: whoever has one address of an IPv6 network has all of it.
func limitKey(addr netip.Addr) string {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
