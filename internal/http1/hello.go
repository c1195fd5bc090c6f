// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"sync"
	_ "unsafe" // for go:linkname
)

// tls13NoAES is the list of TLS 1.3 suites that crypto/tls offers on machines without AES instructions: ChaCha20 first, then AES. A server
// that prefers AES then takes that, and a MIPS or ARMv7 core encrypts at half the speed (216 instead of 107 instructions per byte, 175
// instead of 62). The suites of TLS 1.3 cannot be configured, so ChaCha20 alone is offered by shortening this list. Go keeps the symbol
// for others who do the like (go.dev/issue/67401), so it links without flags.
//
//go:linkname tls13NoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var tls13NoAES []uint16

// helloMu guards tls13NoAES, which is one for the whole process: the exception to "no globals" that this needs. It is held only
// while a ClientHello is made, from before the handshake until its first byte is written, so connections of several cameras do not wait for
// each other's network. Other users of crypto/tls in the process read the list without it; since only the length of the list changes,
// they see one of the two, both of which are right.
var helloMu sync.Mutex

// handshake runs the client's handshake on t, whose connection is l. With chachaOnly a machine without AES instructions offers only
// ChaCha20 in TLS 1.3; restricted tells that it did.
func handshake(ctx context.Context, t *tls.Conn, l *link, chachaOnly bool) (restricted bool, err error) {
	helloMu.Lock()
	held := true
	release := func() {
		if held {
			held = false
			helloMu.Unlock()
		}
	}
	defer release() // when it fails before the ClientHello
	if all := tls13NoAES[:cap(tls13NoAES)]; len(all) > 0 && all[0] == tls.TLS_CHACHA20_POLY1305_SHA256 {
		want := len(all)
		if chachaOnly {
			want = 1
		}
		if len(tls13NoAES) != want {
			tls13NoAES = all[:want]
		}
	}
	l.first = func(b []byte) {
		release()
		restricted = offersOnlyChaCha(b)
	}
	err = t.HandshakeContext(ctx)
	return restricted, err
}

// offersOnlyChaCha reads the record of a ClientHello (RFC 8446, 4.1.2). It tells whether ChaCha20 is its only suite of TLS 1.3.
//
//	record header 5 | type 1, length 3 | version 2 | random 32 | session id 1+n | suites 2+2n | ...
func offersOnlyChaCha(b []byte) bool {
	const fixed = 5 + 4 + 2 + 32
	if len(b) <= fixed {
		return false
	}
	b = b[fixed:]
	if id := 1 + int(b[0]); len(b) >= id+2 {
		b = b[id:]
	} else {
		return false
	}
	n := int(b[0])<<8 | int(b[1])
	if b = b[2:]; len(b) < n {
		return false
	}
	chacha := false
	for b = b[:n]; len(b) >= 2; b = b[2:] {
		switch uint16(b[0])<<8 | uint16(b[1]) {
		case tls.TLS_CHACHA20_POLY1305_SHA256:
			chacha = true
		case tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384:
			return false
		}
	}
	return chacha
}

// mayBeCipher tells whether a handshake that failed with err may succeed when AES is offered too. Most servers answer with the alert
// handshake_failure, some just close; a certificate that does not verify and time that ran out have other causes.
func mayBeCipher(ctx context.Context, err error) bool {
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	return ctx.Err() == nil && !errors.As(err, &cert) && !errors.As(err, &unknown) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// explain adds to a server's handshake_failure, which says nothing, what it usually means.
func explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" && op.Err.Error() == "tls: handshake failure" {
		return refusedError{err}
	}
	return err
}

// refusedError is the end of a handshake by a server that found nothing to agree on.
type refusedError struct{ err error }

func (e refusedError) Error() string {
	return e.err.Error() + " (the server needs a certificate with a key of RSA, P-256 or P-384, and TLS 1.3, or 1.2 with ECDHE and AES-GCM or ChaCha20)"
}

func (e refusedError) Unwrap() error { return e.err }
