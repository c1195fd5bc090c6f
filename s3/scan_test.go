// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// result is what a page says, for comparison.
func (p *page) result() string {
	var b strings.Builder
	fmt.Fprintf(&b, "truncated=%v token=%q", p.truncated, p.token)
	for i := range p.keys {
		fmt.Fprintf(&b, " %q:%d", p.text(&p.keys[i].span), p.keys[i].size)
	}
	for i := range p.folders {
		fmt.Fprintf(&b, " folder %q", p.text(&p.folders[i]))
	}
	return b.String()
}

const (
	openList  = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`
	closeList = `</ListBucketResult>`
)

func TestScanPage(t *testing.T) {
	tests := []struct {
		name, doc, want string
		detour          bool // scan leaves it to encoding/xml
	}{
		{name: "an empty list", doc: openList + closeList, want: `truncated=false token=""`},
		{name: "as AWS writes it",
			doc:  openList + `<Name>b</Name><Prefix>cam1/</Prefix><NextContinuationToken>1/a+b=</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated><Contents><Key>cam1/1.ts</Key><LastModified>2026-03-09T04:05:06.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>443</Size><StorageClass>STANDARD</StorageClass></Contents>` + closeList,
			want: `truncated=true token="1/a+b=" "cam1/1.ts":443`},
		{name: "with owner, restore status and checksums inside",
			doc:  openList + `<Contents><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ETag/><Key>k</Key><Owner><DisplayName>Key</DisplayName><ID>1</ID></Owner><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus><Size>1</Size></Contents>` + closeList,
			want: `truncated=false token="" "k":1`},
		{name: "indented", doc: openList + "\r\n  <IsTruncated>false</IsTruncated>\n  <Contents>\n    <Key>k</Key>\n    <Size>1</Size>\n  </Contents>\n" + closeList + "\n", want: `truncated=false token="" "k":1`},
		{name: "folders", doc: openList + `<Prefix>cam1/</Prefix><Delimiter>/</Delimiter><CommonPrefixes><Prefix>cam1/a&amp;b/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>cam1/c/</Prefix></CommonPrefixes>` + closeList, want: `truncated=false token="" folder "cam1/a&b/" folder "cam1/c/"`},
		{name: "entities", doc: openList + `<Contents><Key>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xE4;&#x1F3A5;</Key><Size>1</Size></Contents><NextContinuationToken>a&amp;b</NextContinuationToken>` + closeList, want: `truncated=false token="a&b" "<>&\"'ABä🎥":1`},
		{name: "an escaped control character, which S3 sends and XML forbids", doc: openList + `<Contents><Key>a&#x1;b&#13;</Key><Size>1</Size></Contents>` + closeList, want: `truncated=false token="" "a\x01b\r":1`},
		{name: "spaces belong to keys", doc: openList + `<Contents><Key> a b </Key><Size>1</Size></Contents>` + closeList, want: `truncated=false token="" " a b ":1`},
		{name: "the last of two keys counts", doc: openList + `<Contents><Key>a</Key><Key>b</Key><Size>1</Size><Size>2</Size></Contents>` + closeList, want: `truncated=false token="" "b":2`},
		{name: "no size", doc: openList + `<Contents><Key>a</Key></Contents>` + closeList, want: `truncated=false token="" "a":0`},
		{name: "a byte order mark", doc: "\xef\xbb\xbf" + openList + closeList, want: `truncated=false token=""`},
		{name: "no declaration", doc: `<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>` + closeList, want: `truncated=false token="" "a":1`},
		{name: "attributes", doc: openList + `<Contents x='a>b' xmlns:y="z"><Key>a</Key><Size>1</Size></Contents >` + closeList, want: `truncated=false token="" "a":1`},
		{name: "CDATA", doc: openList + `<Contents><Key><![CDATA[a<b]]></Key><Size>1</Size></Contents>` + closeList, want: `truncated=false token="" "a<b":1`, detour: true},
		{name: "a comment", doc: openList + `<!-- <Contents> --><Contents><Key>a</Key><Size>1</Size></Contents>` + closeList, want: `truncated=false token="" "a":1`, detour: true},
		{name: "a namespace prefix", doc: `<x:ListBucketResult xmlns:x="u"><x:Contents><x:Key>a</x:Key><x:Size>1</x:Size></x:Contents></x:ListBucketResult>`, want: `truncated=false token="" "a":1`, detour: true},
		{name: "a size with white space", doc: openList + `<Contents><Key>a</Key><Size> 1 </Size></Contents>` + closeList, want: `truncated=false token="" "a":1`, detour: true},
		{name: "an empty token element", doc: openList + `<NextContinuationToken/>` + closeList, want: `truncated=false token=""`, detour: true},
		{name: "half a surrogate", doc: openList + `<Contents><Key>a&#xD800;</Key><Size>1</Size></Contents>` + closeList, want: "truncated=false token=\"\" \"a\ufffd\":1", detour: true},
		{name: "a raw carriage return in a key", doc: openList + "<Contents><Key>a\r\nb</Key><Size>1</Size></Contents>" + closeList, want: `truncated=false token="" "a\nb":1`, detour: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := page{buf: []byte(tt.doc)}
			if ok := p.scan(); ok == tt.detour {
				t.Errorf("scan = %v, want %v", ok, !tt.detour)
			} else if !ok {
				if err := p.decode(); err != nil {
					t.Fatal(err)
				}
			}
			if got := p.result(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestBrokenPagesAreErrors(t *testing.T) {
	whole := openList + `<IsTruncated>false</IsTruncated><Contents><Key>cam1/a&amp;b.ts</Key><Size>443</Size><Owner><ID>1</ID></Owner></Contents><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes>` + closeList
	docs := map[string]string{
		"nothing":              "",
		"not XML":              "hello",
		"HTML":                 "<html><body>proxy</body></html>",
		"tags do not nest":     openList + `<Contents><Key>a</Contents></Key>` + closeList,
		"an unknown entity":    openList + `<Contents><Key>a&nbsp;</Key><Size>1</Size></Contents>` + closeList,
		"character 0":          openList + `<Contents><Key>a&#0;</Key><Size>1</Size></Contents>` + closeList,
		"a size of letters":    openList + `<Contents><Key>a</Key><Size>big</Size></Contents>` + closeList,
		"a negative size":      openList + `<Contents><Key>a</Key><Size>-1</Size></Contents>` + closeList,
		"a size beyond int64":  openList + `<Contents><Key>a</Key><Size>9223372036854775808</Size></Contents>` + closeList,
		"an empty key":         openList + `<Contents><Key></Key><Size>1</Size></Contents>` + closeList,
		"contents without key": openList + `<Contents><Size>1</Size></Contents>` + closeList,
		"truncated is a maybe": openList + `<IsTruncated>maybe</IsTruncated>` + closeList,
		"another encoding":     `<?xml version="1.0" encoding="latin1"?><ListBucketResult>` + closeList,
	}
	for i := range whole { // every prefix of a page is a broken page
		docs[fmt.Sprintf("cut after %d bytes", i)] = whole[:i]
	}
	for name, doc := range docs {
		p := page{buf: []byte(doc)}
		if p.scan() {
			t.Errorf("%s: scan accepted %q", name, doc)
			continue
		}
		if err := p.decode(); !errors.Is(err, errMalformedPage) {
			t.Errorf("%s: decode = %v, want errMalformedPage", name, err)
		}
	}
}

// seeds are the pages of the tests above and those of testdata.
func seedPages(f *testing.F) {
	f.Helper()
	for _, s := range []string{
		openList + closeList,
		openList + `<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken><Contents><Key>&#x1F3A5;&lt;</Key><Size>1</Size><Owner><ID>1</ID></Owner></Contents><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes>` + closeList,
		`<ListBucketResult a="b" c:d='e'><X><X></X><Y/></X><Contents><Key>a</Key><Size> 1</Size></Contents></ListBucketResult>`,
		`<Error><Code>SlowDown</Code></Error>`,
	} {
		f.Add([]byte(s))
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds in testdata", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// FuzzListPage: the scanner never panics, and where encoding/xml accepts a page that the scanner accepts, both say the same.
func FuzzListPage(f *testing.F) {
	seedPages(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		fast := page{buf: bytes.Clone(doc)}
		if !fast.scan() {
			if !bytes.Equal(fast.buf, doc) {
				t.Fatal("a refused page was changed")
			}
			slow := page{buf: bytes.Clone(doc)}
			if err := slow.decode(); err == nil {
				slow.result() // spans must lie in the page
			}
			return
		}
		slow := page{buf: bytes.Clone(doc)}
		if err := slow.decode(); err != nil {
			return // scan is more tolerant, see there
		}
		if got, want := fast.result(), slow.result(); got != want {
			t.Errorf("scan   %s\ndecode %s", got, want)
		}
	})
}

// FuzzUnescape: text that encoding/xml escapes comes back.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"", "a&b", "<ä🎥>", "\x01\t\n\r", "&amp;", "]]>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		if err := xml.EscapeText(&b, []byte(s)); err != nil {
			t.Skip()
		}
		if !validEntities(b.Bytes()) {
			t.Fatalf("entities of %q are not understood", b.String())
		}
		// EscapeText replaces what XML cannot hold.
		want := strings.Map(func(r rune) rune {
			if r == '\t' || r == '\n' || r == '\r' || (r >= 0x20 && r != 0xfffe && r != 0xffff) {
				return r
			}
			return '\ufffd'
		}, s)
		if got := string(unescape(b.Bytes())); got != want {
			t.Errorf("unescape gave %q, want %q", got, want)
		}
		raw := []byte(s)
		if validEntities(raw) {
			unescape(raw)
		}
	})
}

// FuzzErrorBody: an error answer of any content gives a bounded one-line message.
func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{
		"", "<html>", `<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>R</RequestId><Region>eu-west-1</Region></Error>`,
		"\x00\xff\x1b[31m", `<?xml version="1.0"?><Error><Code>` + strings.Repeat("x", 500) + `</Code></Error>`, "<Error><Code></Code></Error>",
	} {
		f.Add([]byte(s), 403)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		e := &Error{Op: "get", Key: "k", Status: status}
		e.parse(body)
		if s := e.Error(); len(s) > 800 || strings.ContainsAny(s, "\n\r\x00\x1b") {
			t.Errorf("message %q", s)
		}
		Retryable(e)
		for _, target := range []error{ErrNotFound, ErrNoBucket, ErrExists, ErrAccessDenied, ErrRange, ErrClockSkew, ErrExpiredCredentials, ErrThrottled} {
			errors.Is(e, target)
		}
		isErrorDocument(body)
	})
}

// FuzzContentRange and tags: never a panic, and accepted values are sound.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 0-9/*", "bytes */10", "bytes 9-0/10", "bytes 0-10/10", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if first, total, ok := parseContentRange(s); ok && (first < 0 || (total >= 0 && first >= total)) {
			t.Errorf("%q: first %d of %d", s, first, total)
		}
	})
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"a=b&c=d", "a=%20+", "=", "&&", "%", "aws%3A=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tags, err := ParseTags(s)
		if err != nil {
			return
		}
		encoded, err := EncodeTags(tags)
		if err != nil {
			t.Fatalf("EncodeTags(%q): %v", tags, err)
		}
		again, err := ParseTags(encoded)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(tags) || ValidateTags(encoded) != nil {
			t.Errorf("%q -> %q -> %q, %v", tags, encoded, again, err)
		}
	})
}
