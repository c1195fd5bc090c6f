// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/s3rule"
)

// Limits of what is taken over from an answer.
const (
	maxDocument = 16 << 10
	maxMessage  = 300
	maxCode     = 100
)

// document is what matters of S3's error document (API reference, "REST error responses").
type document struct {
	code, message, requestID, region, endpoint, serverTime string
}

// parseDocument finds the fields of an error document:
//
//	<Error> <Code>s</> <Message>s</> <RequestId>s</> <Region>s</> <Endpoint>s</> <ServerTime>s</> ... </Error>
//
// It looks for elements rather than understand XML (encoding/xml costs a camera 0.3 MB of flash): the text of the first direct child of
// <Error> of each name. The document may be cut off. Anything else is no document, ok = false.
func parseDocument(text []byte) (d document, ok bool) {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), xmlSpace)
	if bytes.HasPrefix(text, []byte("<?xml")) {
		_, text, ok = bytes.Cut(text, []byte("?>"))
		if !ok {
			return d, false
		}
		text = bytes.TrimLeft(text, xmlSpace)
	}
	name, text, kind := nextTag(text)
	if string(name) != "Error" || kind != openTag {
		return d, false
	}
	for {
		i := bytes.IndexByte(text, '<')
		if i < 0 {
			break
		}
		name, rest, kind := nextTag(text[i:])
		if kind == closeTag || kind == noTag {
			break
		}
		text = rest
		if kind == emptyTag {
			continue
		}
		end := bytes.Index(text, append(append([]byte("</"), name...), '>'))
		if end < 0 {
			end = len(text) // cut off
		}
		value := text[:end]
		field, max := d.field(name)
		if field != nil && *field == "" && bytes.IndexByte(value, '<') < 0 {
			*field = s3rule.Clean(unescape(value), max)
		}
		text = text[end:]
		if len(text) == 0 {
			break
		}
		text = text[len("</")+len(name)+len(">"):]
	}
	return d, d.code != ""
}

const xmlSpace = " \t\r\n"

func (d *document) field(name []byte) (*string, int) {
	switch string(name) {
	case "Code":
		return &d.code, maxCode
	case "Message":
		return &d.message, maxMessage
	case "RequestId":
		return &d.requestID, maxCode
	case "Region":
		return &d.region, maxCode
	case "Endpoint":
		return &d.endpoint, maxMessage
	case "ServerTime":
		return &d.serverTime, maxCode
	}
	return nil, 0
}

// Kinds of tags.
const (
	noTag = iota
	openTag
	closeTag
	emptyTag
)

// nextTag reads the tag that text begins with and returns its name and what follows. Attributes are skipped.
func nextTag(text []byte) (name, rest []byte, kind int) {
	if len(text) == 0 || text[0] != '<' {
		return nil, nil, noTag
	}
	end := bytes.IndexByte(text, '>')
	if end < 0 {
		return nil, nil, noTag
	}
	tag, rest := text[1:end], text[end+1:]
	kind = openTag
	if t, ok := bytes.CutPrefix(tag, []byte("/")); ok {
		tag, kind = t, closeTag
	} else if t, ok := bytes.CutSuffix(tag, []byte("/")); ok {
		tag, kind = t, emptyTag
	}
	if i := bytes.IndexAny(tag, xmlSpace); i >= 0 {
		tag = tag[:i]
	}
	if len(tag) == 0 || tag[0] == '!' || tag[0] == '?' || len(tag) > maxCode {
		return nil, nil, noTag
	}
	return tag, rest, kind
}

// unescape resolves the five entities of XML and character references; what it does not know stays as it is.
func unescape(b []byte) string {
	i := bytes.IndexByte(b, '&')
	if i < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for ; i >= 0; i = bytes.IndexByte(b, '&') {
		out = append(out, b[:i]...)
		b = b[i:]
		n := bytes.IndexByte(b, ';')
		r, ok := rune(0), false
		if n > 0 && n <= len("&#x10ffff") {
			r, ok = entity(string(b[1:n]))
		}
		if ok {
			out = utf8.AppendRune(out, r)
			b = b[n+1:]
		} else {
			out = append(out, '&')
			b = b[1:]
		}
	}
	return string(append(out, b...))
}

func entity(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if h, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = h, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), ok && err == nil && utf8.ValidRune(rune(n))
}
