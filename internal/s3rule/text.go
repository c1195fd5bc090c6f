// SPDX-License-Identifier: Apache-2.0

package s3rule

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes text of the server fit for a log: valid UTF-8, one line, printable, at most max bytes.
func Clean(s string, max int) string {
	cut := len(s) > 4*max
	if cut {
		s = s[:4*max] // bounds the work; folding below makes it shorter
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			r = '?'
		}
		gap := ""
		if space && b.Len() > 0 {
			gap = " "
		}
		if b.Len()+len(gap)+utf8.RuneLen(r) > max-len("...") {
			cut = true
			break
		}
		space = false
		b.WriteString(gap)
		b.WriteRune(r)
	}
	if cut {
		b.WriteString("...")
	}
	return b.String()
}
