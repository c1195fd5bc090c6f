// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// Bare serves the two bodies below root with as little as net/http allows, until the process is stopped. It shows what of
// the cost is net/http's own. It prints its address.
func Bare(root string, stdout io.Writer) error {
	playlist, err := os.ReadFile(filepath.Join(root, playlistFile+".gz"))
	if err != nil {
		return err
	}
	segment := filepath.Join(root, segmentFile)
	mux := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.URL.Path == "/"+segmentFile {
			h["Content-Type"] = []string{"video/mp2t"}
			http.ServeFile(w, r, segment)
			return
		}
		h["Content-Type"], h["Content-Encoding"] = []string{"application/vnd.apple.mpegurl"}, []string{"gzip"}
		h["Content-Length"] = []string{strconv.Itoa(len(playlist))}
		w.Write(playlist)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "bare http://%s\n", l.Addr())
	return http.Serve(l, mux)
}
