// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"net/http"
	"time"
)

// bodyTimeout is how long a client may take to send the body that nobody asked for.
const bodyTimeout = 5 * time.Second

// boundBodies ends the connection of a request with a body soon after the answer. No route reads one, but net/http waits
// for the rest of it before it lets a connection go, and with no limit: http.Server.ReadTimeout would limit that wait, but
// cancel answers that take longer than it, too.
func boundBodies(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // every connection of http.Server can
		}
		next.ServeHTTP(w, r)
	})
}
