// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// Limits of object tags (S3 user guide, "Categorizing your storage using tags"). Lengths are in characters.
const (
	MaxTags          = 10
	MaxTagKeyLen     = 128
	MaxTagValueLen   = 256
	allowedTagPuncts = " +-=._:/@"
)

// Tag is one object tag.
type Tag struct{ Key, Value string }

// EncodeTags checks tags against S3's limits and returns the value for PutOptions.Tags, "" for none. All problems are
// reported together. The result can be used for any number of Puts.
func EncodeTags(tags []Tag) (string, error) {
	if err := checkTags(tags); err != nil {
		return "", fmt.Errorf("s3: %w", err)
	}
	var dst []byte
	for i, t := range tags {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = sigv4.AppendQueryValue(dst, t.Key)
		dst = append(dst, '=')
		dst = sigv4.AppendQueryValue(dst, t.Value)
	}
	return string(dst), nil
}

// ParseTags reads tags in the form of a URL query, "project=front%20door&site=7" ('+' means a space).
func ParseTags(s string) ([]Tag, error) {
	if s == "" {
		return nil, nil
	}
	var tags []Tag
	for part := range strings.SplitSeq(s, "&") {
		key, value, _ := strings.Cut(part, "=")
		k, err1 := url.QueryUnescape(key)
		v, err2 := url.QueryUnescape(value)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("s3: tags %q: %w", s, err)
		}
		tags = append(tags, Tag{k, v})
	}
	if err := checkTags(tags); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return tags, nil
}

// ValidateTags reports what is wrong with tags in the form of a URL query: what S3 would refuse each Put for, and what
// would break its signature (unencoded spaces).
func ValidateTags(s string) error {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("s3: tags %q: character %q must be percent-encoded", s, c)
		}
	}
	_, err := ParseTags(s)
	return err
}

func checkTags(tags []Tag) error {
	var errs []error
	if len(tags) > MaxTags {
		errs = append(errs, fmt.Errorf("%d tags, at most %d are allowed", len(tags), MaxTags))
		tags = tags[:MaxTags]
	}
	for i, t := range tags {
		errs = append(errs, checkTag("tag key", t.Key, MaxTagKeyLen), checkTag("value of tag "+quoteShort(t.Key), t.Value, MaxTagValueLen))
		if t.Key == "" {
			errs = append(errs, errors.New("empty tag key"))
		}
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			errs = append(errs, fmt.Errorf("tag key %s: the prefix aws: is reserved", quoteShort(t.Key)))
		}
		for _, earlier := range tags[:i] {
			if earlier.Key == t.Key {
				errs = append(errs, fmt.Errorf("tag key %s occurs twice", quoteShort(t.Key)))
				break
			}
		}
	}
	return errors.Join(errs...)
}

func checkTag(what, s string, maxLen int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %s is not valid UTF-8", what, quoteShort(s))
	}
	if n := utf8.RuneCountInString(s); n > maxLen {
		return fmt.Errorf("%s has %d characters, at most %d are allowed", what, n, maxLen)
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(allowedTagPuncts, r) {
			return fmt.Errorf("%s %s: character %q is not allowed (letters, digits, space and + - = . _ : / @ are)", what, quoteShort(s), r)
		}
	}
	return nil
}

func quoteShort(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return fmt.Sprintf("%q", s)
}
