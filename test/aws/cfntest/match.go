// SPDX-License-Identifier: Apache-2.0

package cfntest

import "strings"

// parts is a pattern of IAM: characters, of which * and ? are wildcards unless a policy variable brought them in.
type parts []symbol

type symbol struct {
	r        byte
	wildcard bool
}

// pattern reads text in which * and ? are wildcards.
func pattern(text string) parts {
	p := make(parts, len(text))
	for i := range len(text) {
		p[i] = symbol{text[i], text[i] == '*' || text[i] == '?'}
	}
	return p
}

// literal is the text, wildcards as they are written.
func (p parts) literal() string {
	b := make([]byte, len(p))
	for i := range p {
		b[i] = p[i].r
	}
	return string(b)
}

// expand replaces the policy variables of text, ${key}, by what the request's context says. ok is false when a variable has
// no value: then the text matches nothing. ${*}, ${?} and ${$} are these characters themselves.
func expand(text string, context map[string]string) (p parts, ok bool) {
	for {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return append(p, pattern(text)...), true
		}
		p = append(p, pattern(before)...)
		value := name
		if name != "*" && name != "?" && name != "$" {
			key, fallback, hasFallback := strings.Cut(name, ",")
			if value, ok = lookup(context, strings.TrimSpace(key)); !ok {
				if !hasFallback {
					return nil, false
				}
				value = strings.Trim(strings.TrimSpace(fallback), "'")
			}
		}
		for i := range len(value) {
			p = append(p, symbol{r: value[i]})
		}
		text = after
	}
}

// match tells whether the whole of text fits: * stands for any number of characters, ? for one.
func match(p parts, text string) bool {
	star, from := -1, 0 // the last * and where what it stands for begins
	i, j := 0, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i].wildcard && p[i].r == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i].wildcard || p[i].r == text[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i].wildcard && p[i].r == '*' {
		i++
	}
	return i == len(p)
}

// matchARN is match, but wildcards of the first five fields of an ARN (partition, service, region, account) stay within
// theirs. A pattern that is no ARN is matched as it is.
func matchARN(p parts, text string) bool {
	for range 5 {
		at := -1
		for i := range p {
			if p[i].r == ':' {
				at = i
				break
			}
		}
		field, rest, ok := strings.Cut(text, ":")
		if at < 0 || !ok {
			return match(p, text)
		}
		if !match(p[:at], field) {
			return false
		}
		p, text = p[at+1:], rest
	}
	return match(p, text)
}
