// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"net/http"
	"time"
)

// writeTimeout is how long a client may take to fetch an answer.
const writeTimeout = 10 * time.Minute // a segment of 10 MB over 150 kbit/s

// boundWrites ends the connection of a client that does not fetch its answer in time. http.Server.WriteTimeout does the same
// for every answer, but its timer costs a poll of the live playlist 3 % of its CPU time (docs/design/performance.md), and a
// poll is what most requests are. Its answer of a few kilobytes is taken by the socket at once, whether the client reads
// or not; one that sends polls by the thousand and reads no answer holds up nobody but itself.
func boundWrites(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/playlist.m3u8" {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // net/http takes it back after the answer
		}
		next.ServeHTTP(w, r)
	})
}
