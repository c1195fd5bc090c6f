// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// judge does the same with encoding/json. deep: there are more levels than the scanner takes.
func judge(text []byte) (found map[string]string, ok, deep bool) {
	var v map[string]any
	if !json.Valid(text) {
		return nil, false, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // which nobody reads, so that they may be of any size
	if d.Decode(&v) != nil || v == nil {
		return nil, false, false
	}
	found = map[string]string{}
	var walk func(path string, v any, depth int)
	walk = func(path string, v any, depth int) {
		deep = deep || depth > maxDepth
		switch v := v.(type) {
		case string:
			if path != "-" {
				found[path] = v
			}
		case []any:
			for _, e := range v {
				walk("-", e, depth+1)
			}
		case map[string]any:
			for k, e := range v {
				switch {
				case path == "-" || k == "" || strings.Contains(k, "."):
					walk("-", e, depth+1)
				case path == "":
					walk(k, e, depth+1)
				default:
					walk(path+"."+k, e, depth+1)
				}
			}
		}
	}
	walk("", v, 0)
	return found, true, deep
}

// seeds have each kind of value, escape and mistake.
var seeds = []string{
	`{"credentials":{"accessKeyId":"A","secretAccessKey":"B/+=","sessionToken":"C","expiration":"2018-01-18T09:18:06Z"}}`,
	`{"message":"Access Denied"}`, `{}`, ` { "a" : { } , "b" : [ ] } `, `{"a":[{"b":"c"},["d"],1,null]}`,
	`{"a":-0.5e+10,"b":0,"c":1E5,"d":true,"e":false,"f":null}`, `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, `{"a":"\ud83d","b":"\ude00","c":"\ud83d\ud83d\ude00"}`,
	`{"a":"b","a":"c"}`, `{"a":{"b":"c"},"a":"d"}`, `{"a":"d","a":{"b":"c"}}`, `{"a":{"b":"x","c":"y"},"a":{"b":"z"}}`, `{"a":{"b":"x"},"a":1}`, `{"a.b":"x","a":{"b":"y"}}`,
	`{"":"x"}`, `{"":{"":"x"}}`, "{\"a\":\"\xff\xc3\"}", "{\"\xff\":\"é\"}",
	``, `{`, `}`, `[]`, `"a"`, `null`, `1`, `{"a"}`, `{"a":}`, `{"a":"b",}`, `{,}`, `{"a":"b"}x`, `{"a":"b"} {}`, `{a:"b"}`, `{'a':'b'}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`,
	`{"a":1e}`, `{"a":-}`, `{"a":tru}`, `{"a":truex}`, `{"a":nullnull}`, `{"a":[1,]}`, `{"a":[1 2]}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, `{"a":"b`, `{"a":"b\`, `{"a":"\u`,
	"\uFEFF{}", `{"a":NaN}`, `{"a":/**/1}`, "{\"a\":1}\n", "{\"a\"\v:1}", strings.Repeat(`{"a":`, 15) + "1" + strings.Repeat("}", 15),
}

func TestTheScannerAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range seeds {
		agree(t, []byte(s))
	}
}

func agree(t *testing.T, text []byte) {
	t.Helper()
	got, err := stringsOf(text)
	want, ok, deep := judge(text)
	if deep {
		if err == nil {
			t.Errorf("%q: too many levels are taken", text)
		}
		return
	}
	if (err == nil) != ok {
		t.Errorf("%q: %v, encoding/json takes it: %v", text, err, ok)
	} else if ok && !maps.Equal(got, want) {
		t.Errorf("%q: %q, want %q", text, got, want)
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, s := range []string{strings.Repeat(`{"a":`, 100000), strings.Repeat("[", 100000), `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}"} {
		if _, err := stringsOf([]byte(s)); err == nil {
			t.Errorf("%.20q... is taken", s)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(agree)
}
