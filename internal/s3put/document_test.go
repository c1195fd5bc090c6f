// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/s3put"
)

var documents = []struct {
	name, text string
	want       s3put.Document
	ok         bool
}{
	{"S3's", `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>b</BucketName><RequestId>R1</RequestId><HostId>h/+=</HostId></Error>",
		s3put.Document{Code: "NoSuchBucket", Message: "The specified bucket does not exist", RequestID: "R1"}, true},
	{"indented", "\n<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Code>A</Code>\n  <Message>a\n b</Message>\n</Error>\n", s3put.Document{Code: "A", Message: "a b"}, true},
	{"region, endpoint and time", "<Error><Code>X</Code><Region>eu-west-1</Region><Endpoint>b.s3-eu-west-1.amazonaws.com</Endpoint><ServerTime>2026-03-09T04:05:06Z</ServerTime></Error>",
		s3put.Document{Code: "X", Region: "eu-west-1", Endpoint: "b.s3-eu-west-1.amazonaws.com", ServerTime: "2026-03-09T04:05:06Z"}, true},
	{"entities", "<Error><Code>X</Code><Message>&lt;a&gt; &amp;amp; &quot;&apos; &#65;&#x42; &nbsp; &#xffffff; &</Message></Error>", s3put.Document{Code: "X", Message: `<a> &amp; "' AB &nbsp; &#xffffff; &`}, true},
	{"empty elements", "<Error><Message/><Code>X</Code><Resource /></Error>", s3put.Document{Code: "X"}, true},
	{"elements within", "<Error><Other><Code>inner</Code></Other><Code>outer</Code></Error>", s3put.Document{Code: "outer"}, true},
	{"the first counts", "<Error><Code>one</Code><Code>two</Code></Error>", s3put.Document{Code: "one"}, true},
	{"cut off", "<Error><Code>SlowDown</Code><Message>Please red", s3put.Document{Code: "SlowDown", Message: "Please red"}, true},
	{"cut in a tag", "<Error><Code>SlowDown</Code><Mess", s3put.Document{Code: "SlowDown"}, true},
	{"no code", "<Error><Message>m</Message></Error>", s3put.Document{Message: "m"}, false},
	{"a page", "<html><head><title>Error</title></head></html>", s3put.Document{}, false},
	{"another root", "<Result><Code>X</Code></Result>", s3put.Document{}, false},
	{"text", "Forbidden", s3put.Document{}, false},
	{"nothing", "", s3put.Document{}, false},
	{"a half declaration", "<?xml version", s3put.Document{}, false},
}

func TestErrorDocuments(t *testing.T) {
	for _, tt := range documents {
		if got, ok := s3put.ParseDocument([]byte(tt.text)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// FuzzDocument: whatever stands in an answer, what is taken over is fit for a log; a document that encoding/xml reads as flat elements
// is read alike.
func FuzzDocument(f *testing.F) {
	for _, tt := range documents {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, ok := s3put.ParseDocument(text)
		if ok != (d.Code != "") {
			t.Fatalf("%+v, %v", d, ok)
		}
		for _, s := range []string{d.Code, d.Message, d.RequestID, d.Region, d.Endpoint, d.ServerTime} {
			if len(s) > s3put.MaxMessage || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q", s)
			}
		}
		var std struct {
			XMLName xml.Name
			Code    []struct {
				Text  string `xml:",chardata"`
				Inner string `xml:",innerxml"`
			}
		}
		if xml.Unmarshal(text, &std) != nil || std.XMLName.Local != "Error" || std.XMLName.Space != "" || len(std.Code) == 0 {
			return
		}
		want, inner := std.Code[0].Text, std.Code[0].Inner
		if strings.ContainsAny(inner, "<>&") || strings.ContainsAny(string(text), "!?:") || strings.Count(string(text), "<Code>") != 1 || len(want) > s3put.MaxCode-3 ||
			strings.ContainsFunc(want, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.Count(string(text), "<Error>") != 1 || strings.Count(string(text), "<") != 4 {
			return
		}
		if d.Code != want {
			t.Fatalf("%q: code %q, encoding/xml reads %q", text, d.Code, want)
		}
	})
}
