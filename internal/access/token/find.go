// SPDX-License-Identifier: Apache-2.0

package token

import (
	"net/url"
	"strings"
)

// Parameter is the name of the query parameter that carries a token.
const Parameter = "token"

// FromQuery returns the token of a raw query: the value of its parameter "token", and whether there is one. A parameter that is
// given twice, or cannot be decoded, is there and empty: it must not be taken for none.
func FromQuery(rawQuery string) (text string, given bool) {
	if !strings.Contains(rawQuery, "oken") && !strings.Contains(rawQuery, "%") {
		return "", false // as most
	}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(k); err != nil || name != Parameter {
			continue
		}
		if given {
			return "", true
		}
		given = true
		if value, err := url.QueryUnescape(v); err == nil && Plausible(value) {
			text = value
		}
	}
	return text, given
}

// FromBearer returns the token in the value of an Authorization header, and whether there is one. Other credentials, such as
// those of a login service before the server, are none.
func FromBearer(authorization string) (text string, given bool) {
	const scheme = "Bearer "
	if len(authorization) <= len(scheme) || !strings.EqualFold(authorization[:len(scheme)], scheme) {
		return "", false
	}
	text = strings.TrimSpace(authorization[len(scheme):])
	if !strings.HasPrefix(text, version+".") {
		return "", false
	}
	if !Plausible(text) {
		return "", true
	}
	return text, true
}
