// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"hash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	terminator  = "aws4_request"
	blockBytes  = sha256.BlockSize
	digestBytes = sha256.Size
)

// key is a derived signing key, kept as the two SHA-256 states that HMAC (RFC 2104) reaches after absorbing the padded key.
// It is immutable and therefore safe for concurrent use.
//
//	HMAC(K, m) = H((K ^ opad) || H((K ^ ipad) || m))
//	               `- outer -'     `- inner -'
type key struct {
	secret          Secret
	date            string // "20130524"
	region, service string
	scope           string // "20130524/us-east-1/s3/aws4_request"
	inner, outer    []byte // marshalled states
}

// newKey derives the signing key:
// HMAC(HMAC(HMAC(HMAC("AWS4"+secret, date), region), service), "aws4_request").
func newKey(secret Secret, date, region, service string) *key {
	k := []byte("AWS4" + string(secret))
	for _, part := range [...]string{date, region, service, terminator} {
		m := hmac.New(sha256.New, k)
		m.Write([]byte(part))
		k = m.Sum(nil)
	}
	var ipad, opad [blockBytes]byte
	copy(ipad[:], k)
	copy(opad[:], k)
	for i := range ipad {
		ipad[i] ^= 0x36
		opad[i] ^= 0x5c
	}
	return &key{
		secret: secret, date: date, region: region, service: service,
		scope: date + "/" + region + "/" + service + "/" + terminator,
		inner: stateAfter(nil, ipad[:]), outer: stateAfter(nil, opad[:]),
	}
}

// stateAfter returns the SHA-256 state that follows state (nil = the initial one) after absorbing text.
func stateAfter(state, text []byte) []byte {
	h := newHasher()
	if state != nil {
		h.load(state)
	}
	h.h.Write(text)
	out, err := h.h.(encoding.BinaryAppender).AppendBinary(nil)
	if err != nil {
		panic("sigv4: " + err.Error()) // documented by crypto/sha256 as supported; no input can cause it
	}
	return out
}

// hasher is the scratch space of one signature. Its parts live on the heap together, so that hashing through the hash.Hash
// interface makes nothing else escape.
type hasher struct {
	h     hash.Hash
	state encoding.BinaryUnmarshaler // the same object as h
	sum   [digestBytes]byte
	hex   [2 * digestBytes]byte
	buf   []byte
}

func newHasher() *hasher {
	h := sha256.New()
	return &hasher{h: h, state: h.(encoding.BinaryUnmarshaler)}
}

// load continues from a marshalled state. It copies 108 bytes and hashes nothing.
func (h *hasher) load(state []byte) {
	if err := h.state.UnmarshalBinary(state); err != nil {
		panic("sigv4: " + err.Error()) // states come from the same implementation
	}
}

// hexSum ends the running hash and leaves its digits in h.hex.
func (h *hasher) hexSum() []byte {
	h.h.Sum(h.sum[:0])
	return appendHex(h.hex[:0], h.sum[:])
}

// mac ends the inner hash that is running and applies the outer one; the result is in h.sum.
func (h *hasher) mac(outer []byte) []byte {
	h.h.Sum(h.sum[:0])
	h.load(outer)
	h.h.Write(h.sum[:])
	h.h.Sum(h.sum[:0])
	return h.sum[:]
}

// Signer signs requests. It caches the signing keys in use (a few: one per secret, day, region and service), also while
// credentials rotate or the day changes. The zero value is ready; it may be used from several goroutines and must not be
// copied.
type Signer struct {
	keys   [4]atomic.Pointer[key]
	victim atomic.Uint32
	pool   sync.Pool // *hasher
}

func (s *Signer) key(secret Secret, t time.Time, region, service string) *key {
	var date [8]byte
	appendDate(date[:0], t.UTC())
	for i := range s.keys {
		k := s.keys[i].Load()
		if k != nil && k.date == string(date[:]) && k.secret == secret && k.region == region && k.service == service {
			return k
		}
	}
	// Two goroutines may derive the same key at once; both results are right, one slot more is used for a while.
	k := newKey(secret, string(date[:]), region, service)
	s.keys[s.victim.Add(1)%uint32(len(s.keys))].Store(k)
	return k
}

func (s *Signer) hasher() *hasher {
	if h, ok := s.pool.Get().(*hasher); ok {
		return h
	}
	return newHasher()
}
