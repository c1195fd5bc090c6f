// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// errJSON is the one error of scanning: what exactly is wrong with the answer of a server helps nobody, and quoting it might show a secret.
var errJSON = errors.New("is no JSON")

const maxDepth = 16

// scanner reads JSON (RFC 8259) strictly, in place of encoding/json, which would cost 200 KB of flash. It finds strings in nested objects
// and otherwise only checks the form.
type scanner struct {
	b  []byte
	at int
}

// stringsOf returns the strings of the object that text is, and of the objects in it, with their path as name: {"a":{"b":"c"}} is
// a.b = c. Of a repeated name the last one counts, as in encoding/json. Only the form of other values is checked, of what is in arrays, and
// of what has an empty name or one with a dot. More than 16 levels are refused.
func stringsOf(text []byte) (map[string]string, error) {
	s := scanner{b: text}
	found := map[string]string{}
	s.space()
	if s.at >= len(s.b) || s.b[s.at] != '{' {
		return nil, errJSON
	}
	if !s.value("", found, 0) {
		return nil, errJSON
	}
	s.space()
	if s.at != len(s.b) {
		return nil, errJSON
	}
	return found, nil
}

func (s *scanner) space() {
	for s.at < len(s.b) && strings.IndexByte(" \t\r\n", s.b[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) next(c byte) bool {
	s.space()
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// value reads any value; name is its path, found is nil where strings do not matter.
func (s *scanner) value(name string, found map[string]string, depth int) bool {
	s.space()
	if s.at >= len(s.b) || depth > maxDepth {
		return false
	}
	switch c := s.b[s.at]; {
	case c == '"':
		v, ok := s.str()
		if ok && found != nil {
			found[name] = v
		}
		return ok
	case c == '{':
		return s.object(name, found, depth)
	case c == '[':
		return s.array(depth)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(string(s.b[s.at:min(len(s.b), s.at+5)]), word) {
			s.at += len(word)
			return true
		}
	}
	return false
}

func (s *scanner) object(name string, found map[string]string, depth int) bool {
	s.at++
	if s.next('}') {
		return true
	}
	for {
		s.space()
		if s.at >= len(s.b) || s.b[s.at] != '"' {
			return false
		}
		key, ok := s.str()
		if !ok || !s.next(':') {
			return false
		}
		in := found
		if key == "" || strings.Contains(key, ".") { // else what is in it would look like its neighbours
			in = nil
		}
		if name != "" {
			key = name + "." + key
		}
		forget(in, key)
		if !s.value(key, in, depth+1) {
			return false
		}
		if s.next('}') {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

// forget removes what an earlier member of the same name gave.
func forget(found map[string]string, name string) {
	for have := range found {
		if rest, ok := strings.CutPrefix(have, name); ok && (rest == "" || rest[0] == '.') {
			delete(found, have)
		}
	}
}

func (s *scanner) array(depth int) bool {
	s.at++
	if s.next(']') {
		return true
	}
	for {
		if !s.value("", nil, depth+1) {
			return false
		}
		if s.next(']') {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

func (s *scanner) number() bool {
	if s.b[s.at] == '-' {
		s.at++
	}
	from := s.at
	if !s.digits() || s.b[from] == '0' && s.at-from > 1 {
		return false
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if s.at < len(s.b) && s.b[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		return s.digits()
	}
	return true
}

// str reads a string, which begins at the present byte.
func (s *scanner) str() (string, bool) {
	s.at++
	var out []byte
	for s.at < len(s.b) {
		c := s.b[s.at]
		s.at++
		switch {
		case c == '"':
			return string(out), true
		case c < 0x20:
			return "", false
		case c < utf8.RuneSelf && c != '\\':
			out = append(out, c)
		case c != '\\': // what is not UTF-8 becomes U+FFFD, byte by byte
			r, n := utf8.DecodeRune(s.b[s.at-1:])
			s.at += n - 1
			out = utf8.AppendRune(out, r)
		default:
			if s.at >= len(s.b) {
				return "", false
			}
			e := s.b[s.at]
			s.at++
			if i := strings.IndexByte(`"\/bfnrt`, e); i >= 0 {
				out = append(out, "\"\\/\b\f\n\r\t"[i])
				continue
			}
			if e != 'u' {
				return "", false
			}
			r, ok := s.hex4()
			if !ok {
				return "", false
			}
			if r >= 0xD800 && r < 0xDC00 && s.at+1 < len(s.b) && s.b[s.at] == '\\' && s.b[s.at+1] == 'u' {
				back := s.at
				s.at += 2
				low, ok := s.hex4()
				if !ok {
					return "", false
				}
				if low >= 0xDC00 && low < 0xE000 {
					r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
				} else {
					s.at = back
				}
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return "", false
}

func (s *scanner) hex4() (r rune, ok bool) {
	if s.at+4 > len(s.b) {
		return 0, false
	}
	for _, c := range s.b[s.at : s.at+4] {
		i := strings.IndexByte("0123456789abcdef", c|0x20)
		if i < 0 || c < '0' || c > '9' && c < 'A' {
			return 0, false
		}
		r = r<<4 | rune(i)
	}
	s.at += 4
	return r, true
}
