// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"errors"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	long := strings.Repeat("k", 128)
	ten := strings.TrimSuffix(strings.Repeat("a", 1)+"=1&b=&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10", "&")
	for _, good := range []string{"", "key1=value1", "a=b&c=d", "place=front%20door", "a=%E5%89%8D%E9%97%A8", "a", "a=", "x=1+2", "p=a/b:c@d_e-f.g=h",
		long + "=" + strings.Repeat("v", 256), ten} {
		if err := checkTags(good); err != nil {
			t.Errorf("checkTags(%.60q) = %v, want nil", good, err)
		}
	}
	for bad, want := range map[string]string{
		"a=front door":                  "percent-encoded",
		"a=\n":                          "percent-encoded",
		"a=前门":                          "percent-encoded",
		"a=%2":                          "hexadecimal",
		"a=%zz":                         "hexadecimal",
		"a=%ff":                         "UTF-8",
		"a=%2a":                         "not allowed",
		"a=1&a=2":                       "twice",
		"a=1&%61=2":                     "twice",
		"=1":                            "no key",
		"a=1&":                          "no key",
		"aws:x=1":                       "reserved",
		long + "k=1":                    "at most 128",
		"a=" + strings.Repeat("v", 257): "at most 256",
		ten + "&k=11":                   "at most 10",
	} {
		err := checkTags(bad)
		if !errors.Is(err, ErrTags) || !strings.Contains(err.Error(), want) {
			t.Errorf("checkTags(%.60q) = %v, want ErrTags that says %q", bad, err, want)
		}
	}
}

func FuzzTags(f *testing.F) {
	f.Add("a=b&c=%20")
	f.Add("%")
	f.Fuzz(func(t *testing.T, s string) {
		if err := checkTags(s); err == nil && strings.ContainsAny(s, " \r\n\x00") {
			t.Errorf("%q would break the header", s)
		}
	})
}
