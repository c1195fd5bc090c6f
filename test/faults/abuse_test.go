// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

// victim is a running server with some footage, and the normal clients that it has to serve meanwhile.
type victim struct {
	*server
	t      testing.TB
	scheme string // of the web port
	roots  *x509.CertPool
	client *s3.Client
	key    string // a stored segment
	data   []byte
	puts   int
	mu     sync.Mutex
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	return newVictimWith(t, nil)
}

// newVictimWith serves the web port by TLS when there is an authority.
func newVictimWith(t *testing.T, ca *authority) *victim {
	t.Helper()
	v := &victim{t: t, scheme: "http://"}
	var flags []string
	if ca != nil {
		program, _ := programs(t)
		if help, _ := command(program, "serve", "--help"); !strings.Contains(help, "--tls-cert") {
			t.Skip("SKIPPED, NOT TESTED: this s3cam serve has no --tls-cert, so there is no HTTP/2")
		}
		v.scheme, v.roots = "https://", ca.pool
		flags = []string{"--tls-cert", ca.file, "--tls-key", ca.keyFile, "--s3-plain"}
	}
	v.server = newServer(t, t.TempDir()+"/data", flags...)
	var err error
	v.client, err = s3.New(s3.Config{Endpoint: "http://" + v.s3, Region: region, Bucket: bucket, PathStyle: true, Credentials: s3.Static(accessKey, secretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.client.Close() })
	// Six seconds of a camera, as fast as they go.
	up, err := uploader.New(uploader.Config{Prefix: "front", SegmentDuration: time.Second, Putter: standalone.NewPutter(v.client), Epoch: time.Now().Add(-7 * time.Second),
		OnStored: func(s uploader.Stored) { v.mu.Lock(); v.key = s.Key; v.mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	reel, err := simcam.Workshop().Recording(6 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for u, err := reel.Next(); err == nil; u, err = reel.Next() {
		if err := up.WriteVideo(uploader.AccessUnit{Data: u.Data, PTS: u.At, DTS: u.At}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := up.Close(ctx); err != nil {
		t.Fatal(err)
	}
	v.data = v.normal("before anything happened")
	return v
}

// normal is a viewer and a camera who have done nothing wrong: they are served within seconds.
func (v *victim) normal(when string) (segment []byte) {
	v.t.Helper()
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: v.roots}}}
	get := func(path string) []byte {
		resp, err := c.Get(v.scheme + v.web + path)
		if err != nil {
			v.t.Errorf("%s: a normal viewer: %v", when, err)
			return nil
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			v.t.Errorf("%s: a normal viewer gets %s for %s: %v", when, resp.Status, path, err)
		}
		return b
	}
	if b := get("/playlist.m3u8?camera_id=front"); !bytes.Contains(b, []byte("#EXTINF")) {
		v.t.Errorf("%s: the playlist is %.200q", when, b)
	}
	segment = get("/segments/" + v.key)
	if v.data != nil && !bytes.Equal(segment, v.data) {
		v.t.Errorf("%s: another segment came", when)
	}
	v.mu.Lock()
	v.puts++
	key := fmt.Sprintf("normal/2026/01/01/00/%02d/%02d.ts", v.puts/60, v.puts%60)
	v.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fresh, err := s3.New(s3.Config{Endpoint: "http://" + v.s3, Region: region, Bucket: bucket, PathStyle: true, Credentials: s3.Static(accessKey, secretKey, "")})
	if err != nil {
		v.t.Fatal(err)
	}
	defer fresh.Close()
	if _, err := fresh.PutOnce(ctx, key, bytes.NewReader(segment), int64(len(segment)), s3.PutOptions{}); err != nil {
		v.t.Errorf("%s: a normal camera: %v", when, err)
	}
	return segment
}

// healthy: it is the process that was started, and it takes no more memory than it should.
func (v *victim) healthy(when string, maxMB int) {
	v.t.Helper()
	v.normal(when)
	if !v.alive() {
		v.t.Fatalf("%s: the server is gone: %s", when, v.said.tail(3000))
	}
	rss := memory(v.pid(), "VmRSS")
	v.t.Logf("%s: RSS %d kB, at most %d kB", when, rss, memory(v.pid(), "VmHWM"))
	if rss > maxMB<<10 {
		v.t.Errorf("%s: the server takes %d kB, want at most %d MB", when, rss, maxMB)
	}
}

// raw sends bytes on a connection of their own and returns everything that comes back until the server closes or is silent.
func raw(t testing.TB, addr string, request []byte) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Errorf("dial: %v", err)
		return ""
	}
	defer c.Close()
	go func() { // a server that has answered may read no further
		c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		c.Write(request)
	}()
	var out bytes.Buffer
	buf := make([]byte, 32<<10)
	for wait := 15 * time.Second; out.Len() < 4<<20; wait = time.Second {
		c.SetReadDeadline(time.Now().Add(wait))
		n, err := c.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return out.String()
}

// status of the first answer, 0 when there is none.
func status(answer string) (code int) {
	fmt.Sscanf(answer, "HTTP/1.1 %d", &code)
	return code
}

// both are the two ports.
func (v *victim) both() map[string]string { return map[string]string{"web": v.web, "store": v.s3} }

// Whatever is too big, or is no request, is refused with a status or a closed connection, and costs nothing.
func TestOversizedAndBrokenRequests(t *testing.T) {
	programs(t)
	v := newVictim(t)
	big := strings.Repeat("a", 1<<20)
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "X-Header-%d: %d\r\n", i, i)
	}
	var ranges strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&ranges, "%d-%d,", i*2, i*2)
	}
	head := func(line string, headers ...string) []byte {
		return []byte(line + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n")
	}
	var sending sync.WaitGroup
	for _, tt := range []struct {
		name string
		send []byte
		ok   bool // success is an answer, too: what was asked for is harmless
	}{
		{"a path of 1 MB", head("GET /" + big), false},
		{"a query of 1 MB", head("GET /playlist.m3u8?camera_id=" + big), false},
		{"a query of 12 kB", head("GET /playlist.m3u8?camera_id=" + big[:12<<10]), false},
		{"a header of 1 MB", head("GET /playlist.m3u8?camera_id=front", "X-Big: "+big), false},
		{"5000 headers", head("GET /playlist.m3u8?camera_id=front", strings.TrimSpace(many.String())), false},
		{"a cookie of 1 MB", head("GET /", "Cookie: "+big), false},
		{"a method of 1 MB", []byte(big + " / HTTP/1.1\r\n\r\n"), false},
		{"no line end in 1 MB", []byte(big), false},
		{"a body of 1 TB with GET", head("GET /playlist.m3u8?camera_id=front", "Content-Length: 1099511627776"), true},
		{"a body of 1 TB with POST", append(head("POST /", "Content-Length: 1099511627776"), big...), false},
		{"a body of 1 TB with PUT", append(head("PUT /video/x/2026/01/01/00/00/00.ts", "Content-Length: 1099511627776"), big...), false},
		{"a body longer than numbers are", head("POST /", "Content-Length: 99999999999999999999999999"), false},
		{"a negative body", head("POST /", "Content-Length: -1"), false},
		{"an endless chunk", append(head("POST /", "Transfer-Encoding: chunked"), "ffffffffffffffff\r\n"+big...), false},
		{"an endless chunk extension", append(head("POST /", "Transfer-Encoding: chunked"), "1;"+big...), false},
		{"1500 ranges of the page", head("GET /", "Range: bytes="+ranges.String()[:12000]), true},
		{"a range that overflows", head("GET /", "Range: bytes=0-99999999999999999999999999"), true},
		{"a range from behind", head("GET /", "Range: bytes=-99999999999999999999"), true},
		{"HTTP/2 with prior knowledge", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"), false},
		{"HTTP/0.9", []byte("GET /\r\n"), false},
		{"HTTP/9.9", []byte("GET / HTTP/9.9\r\nHost: x\r\n\r\n"), false},
		{"TLS on a plain port", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + big[:600]), false},
		{"zero bytes", make([]byte, 100_000), false},
		{"a proxy's request", head("CONNECT example.org:443"), false},
		{"an absolute address", head("GET http://example.org/"), true},
		{"no host", []byte("GET /healthz HTTP/1.1\r\n\r\n"), false},
		{"two hosts", []byte("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: example.org\r\n\r\n"), false},
	} {
		for port, addr := range v.both() {
			sending.Go(func() {
				got := status(raw(t, addr, tt.send))
				if got >= 500 && got != 501 && got != 505 || got == 200 && !tt.ok {
					t.Errorf("%s on %s: status %d", tt.name, port, got)
				}
			})
		}
	}
	sending.Wait()
	for _, r := range []string{"bytes=" + ranges.String()[:12000], "bytes=0-,0-,0-,0-,0-,0-,0-,0-", "bytes=" + strings.Repeat("0-1,", 3000), "bytes=5-1", "bytes=99999999-"} {
		out := raw(t, v.web, head("GET /segments/"+v.key, "Range: "+r, "Connection: close"))
		if s := status(out); s != 200 && s != 206 && s != 416 && s != 400 || len(out) > 2*len(v.data)+64<<10 {
			t.Errorf("Range %.30s...: status %d, %d bytes", r, s, len(out))
		}
	}
	v.healthy("after oversized requests", 150)
}

// A second request that hides in the first is never answered: who counts lengths differently from us must not be fooled.
func TestSmuggledRequests(t *testing.T) {
	programs(t)
	v := newVictim(t)
	const hidden = "GET /healthz?hidden HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	for name, front := range map[string]string{
		"length and chunked":           "Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked and length":           "Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n",
		"a length of 0 and another":    "Content-Length: 0\r\nContent-Length: %d\r\n\r\n",
		"a length and one of 0":        "Content-Length: %d\r\nContent-Length: 0\r\n\r\n",
		"lengths in one field":         "Content-Length: 0, %d\r\n\r\n",
		"a signed length":              "Content-Length: +%d\r\n\r\n",
		"an octal length":              "Content-Length: 0x%x\r\n\r\n",
		"a space before the colon":     "Content-Length : %d\r\n\r\n",
		"chunked behind identity":      "Content-Length: %d\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
		"chunked twice":                "Content-Length: %d\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"chunked with a vertical tab":  "Content-Length: %d\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"chunked in a folded line":     "Content-Length: %d\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"xchunked":                     "Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"bare line feeds":              "Content-Length: %d\nTransfer-Encoding: chunked\n\n0\n\n",
		"a bare carriage return":       "Content-Length: %d\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a chunk size that wraps":      "Transfer-Encoding: chunked\r\nX-Length: %d\r\n\r\n10000000000000000\r\n\r\n",
		"a chunk size with a sign":     "Transfer-Encoding: chunked\r\nX-Length: %d\r\n\r\n-0\r\n\r\n",
		"chunked in HTTP/1.0 (header)": "Connection: keep-alive\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		for port, addr := range v.both() {
			for _, method := range []string{"GET /healthz", "POST /healthz", "PUT /video/smuggled/2026/01/01/00/00/00.ts", "GET /video/x"} {
				t.Run(name+", "+method+" on "+port, func(t *testing.T) {
					proto := "1.1"
					if strings.Contains(name, "HTTP/1.0") {
						proto = "1.0"
					}
					// The whole of what follows the head is the body by one way of counting, and a request by another.
					rest := front[strings.LastIndex(front, "\n")+1:]
					if i := strings.Index(front, "\r\n\r\n"); i >= 0 {
						rest = front[i+4:]
					}
					out := raw(t, addr, []byte(method+" HTTP/"+proto+"\r\nHost: 127.0.0.1\r\n"+fmt.Sprintf(front, len(rest)+len(hidden))+hidden))
					if n := strings.Count(out, "HTTP/1.1 ") + strings.Count(out, "HTTP/1.0 "); n > 1 {
						t.Errorf("%d answers:\n%.600s", n, out)
					}
				})
			}
		}
	}
	v.healthy("after smuggled requests", 150)
}

// Nothing beyond what is meant to be read can be read, whatever a path says, and nothing that a client sends comes back as a header.
func TestPathsAndHeadersThatEscape(t *testing.T) {
	programs(t)
	v := newVictim(t)
	var paths []string
	for _, up := range []string{"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "..%2f", "..%5c", "..\\", "....//", "%c0%ae%c0%ae", "%uff0e%uff0e", "..;", "%00", ".", "%0d%0aX-Injected:%201"} {
		for _, prefix := range []string{"/", "/segments/", "/segments/front/", "/video/", "/video/front/", "/assets/", "//", "/./"} {
			for _, file := range []string{"/s3-credentials.json", "/.s3cam.lock", "/../../../../../../etc/passwd", "/access.json", "/.windows"} {
				paths = append(paths, prefix+up+file, prefix+up+"/"+up+"/"+up+file)
			}
		}
	}
	for port, addr := range v.both() {
		var wg sync.WaitGroup
		work := make(chan string)
		for range 8 {
			wg.Go(func() {
				for p := range work {
					out := raw(t, addr, []byte("GET "+p+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
					s := status(out)
					if s >= 500 || port == "store" && s == 200 || strings.Contains(out, "root:") || strings.Contains(out, secretKey) || strings.Contains(out, "\nX-Injected") {
						t.Errorf("GET %s on %s: %.300s", p, port, out)
					}
				}
			})
		}
		for _, p := range paths {
			work <- p
		}
		close(work)
		wg.Wait()
	}
	const evil = "%0d%0aX-Injected:%201%0d%0a%0d%0a<script>"
	for _, req := range []string{
		"/playlist.m3u8?camera_id=" + evil, "/replay.m3u8?camera_id=front&start=" + evil, "/segments/" + evil + "/2026/01/01/00/00/00.ts", "/clip.mp4?camera_id=front&start=" + evil + "&end=" + evil,
		"/coverage?camera_id=" + evil, "/" + evil, "/cameras?" + evil, "/login?next=" + evil, "/login?next=//example.org/", "/video/" + evil,
	} {
		for port, addr := range v.both() {
			out := raw(t, addr, []byte("GET "+req+" HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nX-Request-Id: a\tb\r\nConnection: close\r\n\r\n"))
			head, _, _ := strings.Cut(out, "\r\n\r\n")
			if strings.Contains(head, "X-Injected") && strings.Contains(head, "\nX-Injected") || status(out) >= 500 || strings.Contains(strings.ToLower(head), "location: //") || strings.Contains(out, "<script>") && !strings.Contains(strings.ToLower(head), "json") && !strings.Contains(strings.ToLower(head), "xml") {
				t.Errorf("%s on %s: %.400s", req, port, out)
			}
		}
	}
	v.healthy("after escaping paths", 150)
	t.Logf("%d paths on two ports", len(paths))
}
