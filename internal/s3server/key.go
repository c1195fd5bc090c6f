// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Names that versitygw keeps to itself, at any level of a bucket.
const (
	tmpDirName  = ".sgwtmp"
	lockDirName = ".vgwlocks"
	tmpInfix    = ".sgwtmp." // an overwrite is linked as ".<name>.sgwtmp.<time>" for a moment
)

const (
	maxKeyBytes     = 1024 // S3's limit
	maxElementBytes = 230  // 255 of the file system less what a temporary name adds
)

var (
	errKeyEmpty    = errors.New("it is empty")
	errKeyLong     = errors.New("it is longer than 1024 bytes, or one of its elements than 230")
	errKeyDots     = errors.New("elements '.' and '..' cannot be stored")
	errKeyReserved = errors.New("this name is reserved for the server")
	errKeyControl  = errors.New("control characters cannot be stored")
	errKeyUTF8     = errors.New("it is not UTF-8")
	errKeyFolder   = errors.New("a key ending in '/' cannot be stored")
)

// cleanKey returns the key that an object sent as key is stored under: leading and repeated slashes are folded. It refuses
// what a file system cannot hold, what could leave the bucket and what would be invisible in a listing.
func cleanKey(key string) (string, error) {
	switch {
	case key == "":
		return "", errKeyEmpty
	case len(key) > maxKeyBytes:
		return "", errKeyLong
	case key[len(key)-1] == '/':
		return "", errKeyFolder
	case !utf8.ValidString(key): // a listing could not name it
		return "", errKeyUTF8
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] == 0x7f {
			return "", errKeyControl
		}
	}
	folded := key[0] == '/' || strings.Contains(key, "//")
	var b strings.Builder
	for elem := range strings.SplitSeq(key, "/") {
		if elem == "" {
			continue
		}
		if err := checkElement(elem); err != nil {
			return "", err
		}
		if folded {
			if b.Len() > 0 {
				b.WriteByte('/')
			}
			b.WriteString(elem)
		}
	}
	if folded {
		return b.String(), nil
	}
	return key, nil
}

func checkElement(elem string) error {
	switch {
	case elem == "." || elem == "..":
		return errKeyDots
	case len(elem) > maxElementBytes:
		return errKeyLong
	case reserved(elem):
		return errKeyReserved
	}
	return nil
}

// reserved reports whether a directory entry belongs to the engine and not to the bucket's keys.
func reserved(name string) bool {
	return name == tmpDirName || name == lockDirName || name[0] == '.' && strings.Contains(name, tmpInfix)
}
