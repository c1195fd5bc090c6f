// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/s3cam/s3cam/internal/access/token"
)

// WantsClip tells whether a request is for a clip, which needs a right of its own.
func WantsClip(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/clip.") }

// segmentQuery is what the segments of a playlist are listed with, so that a player gets them by the token with which it got the
// playlist: players send neither the playlist's query nor its headers along. It holds characters of tokens only.
func (h *handler) segmentQuery(r *http.Request) string {
	if h.cfg.Authorize == nil {
		return ""
	}
	if t, _ := token.FromQuery(r.URL.RawQuery); t != "" {
		return "?" + token.Parameter + "=" + t
	}
	return ""
}

// withQuery adds a query to each segment of a playlist: to each line that is neither empty nor begins with # (RFC 8216 section 4.1).
func withQuery(playlist []byte, query string) []byte {
	out := make([]byte, 0, len(playlist)+8*len(query))
	for line := range bytes.Lines(playlist) {
		address := bytes.TrimRight(line, "\r\n")
		out = append(out, address...)
		if len(address) > 0 && address[0] != '#' {
			out = append(out, query...)
		}
		out = append(out, line[len(address):]...)
	}
	return out
}
