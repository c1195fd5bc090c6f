// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Bounds of keys.
const (
	MaxKeys     = 32
	SecretBytes = 32 // of a key that NewKey makes
	minSecret   = 16
	maxSecret   = 128
	maxID       = 32
)

// Secret is what a key signs with. It prints, logs and marshals as REDACTED.
type Secret []byte

// String returns REDACTED.
func (Secret) String() string { return "REDACTED" }

// GoString is String, for %#v.
func (Secret) GoString() string { return "REDACTED" }

// Format is String, for every verb: %x would show the bytes.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue is String, for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText is String, for encoding/json and friends.
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// Key signs tokens.
type Key struct {
	ID     string // 1 to 32 of a-z A-Z 0-9 _ -
	Secret Secret // 16 to 128 bytes
}

// Keys are the keys whose tokens are good.
type Keys []Key

// NewKey makes a key with a random secret.
func NewKey(id string) (Key, error) {
	k := Key{ID: id, Secret: make(Secret, SecretBytes)}
	rand.Read(k.Secret) // never fails
	return k, k.check()
}

// CheckID tells what is wrong with the id of a key.
func CheckID(id string) error {
	if id == "" || len(id) > maxID || strings.Trim(id, alphabet[:64]) != "" {
		return fmt.Errorf("the id of a key has 1 to %d of a-z A-Z 0-9 _ -", maxID)
	}
	return nil
}

func (k Key) check() error {
	if err := CheckID(k.ID); err != nil {
		return err
	}
	if n := len(k.Secret); n < minSecret || n > maxSecret {
		return fmt.Errorf("the secret of key %s has %d bytes, want %d to %d", k.ID, n, minSecret, maxSecret)
	}
	return nil
}

// Text is the key as [ParseKeys] reads it: it shows the secret.
func (k Key) Text() string { return k.ID + ":" + base64.StdEncoding.EncodeToString(k.Secret) }

// ParseKeys reads keys as "id:base64 of the secret", separated by commas; an empty text holds none. The errors show no secret.
func ParseKeys(text string) (Keys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var keys Keys
	for item := range strings.SplitSeq(text, ",") {
		if len(keys) == MaxKeys {
			return nil, fmt.Errorf("more than %d keys", MaxKeys)
		}
		id, secret, ok := strings.Cut(strings.TrimSpace(item), ":")
		if !ok {
			return nil, fmt.Errorf("key %d is not id:secret", len(keys)+1)
		}
		k := Key{ID: id}
		if err := CheckID(id); err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		var err error
		if k.Secret, err = decodeSecret(secret); err != nil {
			return nil, fmt.Errorf("the secret of key %s is not base64", id)
		}
		if err := k.check(); err != nil {
			return nil, err
		}
		if keys.find(id) != nil {
			return nil, fmt.Errorf("there are two keys %s", id)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// decodeSecret takes the usual alphabet and that of URLs, with and without padding.
func decodeSecret(s string) (Secret, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return b, nil
}

func (ks Keys) find(id string) *Key {
	for i := range ks {
		if ks[i].ID == id {
			return &ks[i]
		}
	}
	return nil
}

// CheckAll tells what is wrong with keys from elsewhere.
func (ks Keys) CheckAll() error {
	if len(ks) > MaxKeys {
		return fmt.Errorf("%d keys, at most %d are taken", len(ks), MaxKeys)
	}
	for i, k := range ks {
		if err := k.check(); err != nil {
			return err
		}
		if ks[:i].find(k.ID) != nil {
			return fmt.Errorf("there are two keys %s", k.ID)
		}
	}
	return nil
}

// Text is the keys as [ParseKeys] reads them: it shows the secrets.
func (ks Keys) Text() string {
	items := make([]string, len(ks))
	for i, k := range ks {
		items[i] = k.Text()
	}
	return strings.Join(items, ",")
}
