// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"
)

// FuzzState: what lies in the state file is a time that can be, or nothing.
func FuzzState(f *testing.F) {
	for _, s := range []string{"1790000000 0\n", "1790000000 -1200\n", "0 0", "-1 0", "9999999999999 1", "1 9223372036854775807", "1", "", "a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last, _, ok := parseState(text)
		if ok && (last.Before(time.Unix(0, 0)) || last.Year() > 9999) {
			t.Errorf("%q: %v", text, last)
		}
	})
}
