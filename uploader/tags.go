// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// S3's limits for object tags.
const (
	maxTags          = 10
	maxTagKeyRunes   = 128
	maxTagValueRunes = 256
)

// checkTags tells whether s is a value for the header x-amz-tagging as S3 takes it: key=value&key=value, percent-encoded UTF-8.
func checkTags(s string) error {
	if s == "" {
		return nil
	}
	pairs := strings.Split(s, "&")
	if len(pairs) > maxTags {
		return fmt.Errorf("%w: there are %d, at most %d are allowed", ErrTags, len(pairs), maxTags)
	}
	seen := make(map[string]bool, len(pairs))
	for _, pair := range pairs {
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := tagText(rawKey, maxTagKeyRunes)
		if err != nil {
			return fmt.Errorf("%w: key %.140q: %s", ErrTags, rawKey, err)
		}
		if key == "" {
			return fmt.Errorf("%w: %.140q has no key", ErrTags, pair)
		}
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return fmt.Errorf("%w: key %q: the prefix aws: is reserved", ErrTags, key)
		}
		if seen[key] {
			return fmt.Errorf("%w: key %q comes twice", ErrTags, key)
		}
		seen[key] = true
		if _, err := tagText(rawValue, maxTagValueRunes); err != nil {
			return fmt.Errorf("%w: value of %q: %s", ErrTags, key, err)
		}
	}
	return nil
}

type tagError string

func (e tagError) Error() string { return string(e) }

// tagText decodes one key or value and checks its characters.
func tagText(raw string, maxRunes int) (string, error) {
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '%':
			if i+2 >= len(raw) || hexValue(raw[i+1]) < 0 || hexValue(raw[i+2]) < 0 {
				return "", tagError("a % without two hexadecimal digits")
			}
			b.WriteByte(byte(hexValue(raw[i+1])<<4 | hexValue(raw[i+2])))
			i += 2
		case c == '+':
			b.WriteByte(' ')
		case c <= ' ' || c >= 0x7f:
			return "", tagError("a space, control or non-ASCII character that is not percent-encoded")
		default:
			b.WriteByte(c)
		}
	}
	s := b.String()
	if !utf8.ValidString(s) {
		return "", tagError("it is not UTF-8")
	}
	if n := utf8.RuneCountInString(s); n > maxRunes {
		return "", tagError(fmt.Sprintf("it has %d characters, at most %d are allowed", n, maxRunes))
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" +-=._:/@", r) {
			return "", tagError(fmt.Sprintf("%q is not allowed, only letters, digits, spaces and + - = . _ : / @", r))
		}
	}
	return s, nil
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
