// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/s3cam/s3cam/internal/hint"
)

// onLoopback tells whether only this machine can reach a listener on the host of addr. Names must all resolve to loopback.
// flag names the address in errors.
func onLoopback(addr, flag string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, hint.With(fmt.Errorf("%s: %q is not an address to listen on", flag, addr), "write host:port, as 127.0.0.1:8080")
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return false, hint.With(fmt.Errorf("%s: %q has no port that can be listened on", flag, addr), "a port is a number up to 65535; 0 takes a free one")
	}
	if host == "" {
		return false, nil
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback(), nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return false, hint.With(fmt.Errorf("%s: address %q: %w", flag, addr, err), "write an IP address, as 127.0.0.1:8080")
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return false, nil
		}
	}
	return len(ips) > 0, nil
}

// listen binds addr. With fallback a port that is taken is replaced by a free one.
func listen(addr string, fallback bool, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil && fallback && errors.Is(err, syscall.EADDRINUSE) {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			return net.Listen("tcp", net.JoinHostPort(host, "0"))
		}
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hint.With(fmt.Errorf("%s %s: the address is in use", flag, addr),
			"another program listens there (a second s3cam?); stop it or choose another port with %s", flag)
	case errors.Is(err, syscall.EACCES):
		return nil, hint.With(fmt.Errorf("%s %s: %w", flag, addr, err), "ports below 1024 need privileges; choose another with %s", flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, hint.With(fmt.Errorf("%s %s: this machine does not have that address", flag, addr), "choose one of its own with %s, as 127.0.0.1:8080", flag)
	}
	return nil, fmt.Errorf("%s %s: %w", flag, addr, err)
}

// browserURL is the address to open for a listener; one on all interfaces is reachable as localhost.
func browserURL(l net.Listener) string {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "http://" + l.Addr().String()
	}
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(a.Port))
}
