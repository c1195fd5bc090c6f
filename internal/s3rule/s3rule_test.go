// SPDX-License-Identifier: Apache-2.0

package s3rule_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/s3rule"
)

func TestDNSSuffixFollowsThePartition(t *testing.T) {
	for region, want := range map[string]string{"eu-central-1": "amazonaws.com", "us-gov-west-1": "amazonaws.com", "cn-north-1": "amazonaws.com.cn",
		"eusc-de-east-1": "amazonaws.eu", "us-iso-east-1": "c2s.ic.gov", "us-isob-east-1": "sc2s.sgov.gov"} {
		if got := s3rule.DNSSuffix(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}

func TestValidRegion(t *testing.T) {
	for _, s := range []string{"eu-central-1", "garage", "default", "US", "a_b", strings.Repeat("a", 63)} {
		if !s3rule.ValidRegion(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", "-a", "a-", "a.b", "a/b", "a b", "ü", "a@b", strings.Repeat("a", 64)} {
		if s3rule.ValidRegion(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestCheckBucket(t *testing.T) {
	tests := []struct {
		name  string
		aws   bool // AWS takes it
		other bool // another server may
	}{
		{"video", true, true},
		{"a.b-c", true, true},
		{strings.Repeat("a", 63), true, true},
		{"ab", false, true},
		{"Video_1", false, true},
		{strings.Repeat("a", 64), false, true},
		{"192.168.1.1", false, true},
		{"", false, false},
		{"a..b", false, false},
		{".a", false, false},
		{"a-", false, false},
		{"a/b", false, false},
		{"a%b", false, false},
		{"arn:aws:s3:eu-central-1:123456789012:accesspoint/video", false, false},
		{strings.Repeat("a", 256), false, false},
	}
	for _, tt := range tests {
		if err := s3rule.CheckBucket(tt.name, true); (err == nil) != tt.aws {
			t.Errorf("%q on AWS: %v", tt.name, err)
		}
		if err := s3rule.CheckBucket(tt.name, false); (err == nil) != tt.other {
			t.Errorf("%q elsewhere: %v", tt.name, err)
		}
	}
}

func TestIsIP(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "127.0.0.1:9000": true, "[::1]:9000": true, "[::1]": true, "::1": true, "localhost": false, "a.example:80": false, "1.2.3": false} {
		if got := s3rule.IsIP(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// texts are answers of servers that may have become anything on the way.
var texts = map[string]string{
	"Access Denied":           "Access Denied",
	" a\r\n\t b ":             "a b",
	"\x1b[2Jgone\x00":         "?[2Jgone?",
	"bad \xff utf-8":          "bad ? utf-8",
	"right\u202eleft":         "right?left",
	strings.Repeat("x", 1000): strings.Repeat("x", 37) + "...",
	strings.Repeat("ü", 30):   strings.Repeat("ü", 18) + "...",
	"":                        "",
}

func TestClean(t *testing.T) {
	for in, want := range texts {
		if got := s3rule.Clean(in, 40); got != want {
			t.Errorf("Clean(%.60q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for in := range texts {
		f.Add(in, 40)
	}
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 3 || most > 4096 {
			return
		}
		got := s3rule.Clean(s, most)
		if len(got) > most || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Clean(%q, %d) = %q", s, most, got)
		}
	})
}
