// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrPrefix is wrapped by every error of [CheckPrefix].
var ErrPrefix = errors.New("bad camera prefix")

// MaxPrefixBytes is the longest prefix whose keys stay within [MaxKeyBytes].
const MaxPrefixBytes = MaxKeyBytes - 1 - stampLen - len(Suffix)

// CheckPrefix tells whether prefix can name a camera: 1 to [MaxPrefixBytes] bytes of UTF-8 without control characters
// and backslashes, '/' allowed inside but neither first nor last, no empty, "." or ".." element. Such a prefix means the
// same to every S3 implementation and file system behind one. The error wraps [ErrPrefix] and names the reason.
func CheckPrefix(prefix string) error {
	if reason := checkPrefix(prefix); reason != "" {
		shown := prefix
		if len(shown) > 64 {
			shown = shown[:64] + "..."
		}
		return fmt.Errorf("%w %q: %s", ErrPrefix, shown, reason)
	}
	return nil
}

// CleanPrefix makes a prefix out of one that a device or person may have written with slashes around it ("/cam1/" is
// "cam1", as the original SDK stored it) and checks it.
func CleanPrefix(prefix string) (string, error) {
	prefix = strings.Trim(prefix, "/")
	return prefix, CheckPrefix(prefix)
}

func checkPrefix[K string | []byte](p K) (reason string) {
	if len(p) == 0 {
		return "it is empty"
	}
	if len(p) > MaxPrefixBytes {
		return fmt.Sprintf("it has %d bytes, at most %d fit into a key", len(p), MaxPrefixBytes)
	}
	ascii := true
	element := 0 // start of the current element
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			if c := p[i]; c < 0x20 || c == 0x7f {
				return "it has a control character"
			} else if c == '\\' {
				return "it has a backslash"
			} else if c >= utf8.RuneSelf {
				ascii = false
			}
			continue
		}
		switch n := i - element; {
		case n == 0:
			return "it has an empty element (a slash at an end or two in a row)"
		case n == 1 && p[element] == '.', n == 2 && p[element] == '.' && p[element+1] == '.':
			return `it has a "." or ".." element`
		}
		element = i + 1
	}
	if !ascii && !utf8.ValidString(string(p)) {
		return "it is not UTF-8"
	}
	return ""
}
