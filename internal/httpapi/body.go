// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"hash/crc64"
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipAbove is the size from which a body is compressed: below it the gzip header and a second copy cost more than the
// bytes they save (a TCP segment holds either).
const gzipAbove = 256

// rendered is a finished body with the header values that belong to it. It is never changed once made, so any number of
// requests may write it at the same time. The header values are slices because http.Header holds such: they are shared.
type rendered struct {
	plain []byte
	gzip  []byte // nil when it would not be smaller, or nobody asked
	vary  bool   // another request may get another encoding

	contentType, cacheControl []string
	etag                      []string // weak: the same for both encodings
	plainLen, gzipLen         []string
	*constants
}

// constants are header values that never change.
type constants struct{ acceptEncoding, gzipEncoding, nosniff []string }

// renderer compresses bodies with pooled compressors.
type renderer struct {
	crc    *crc64.Table
	gzips  sync.Pool
	values constants
}

func newRenderer() *renderer {
	return &renderer{crc: crc64.MakeTable(crc64.ECMA), values: constants{[]string{"Accept-Encoding"}, []string{"gzip"}, []string{"nosniff"}}}
}

// sink is an io.Writer that appends.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// make finishes a body. It keeps plain.
func (rd *renderer) make(contentType, cacheControl string, plain []byte, compress bool) *rendered {
	r := &rendered{plain: plain, contentType: []string{contentType}, cacheControl: []string{cacheControl}, plainLen: []string{strconv.Itoa(len(plain))},
		constants: &rd.values}
	r.etag = []string{`W/"` + strconv.FormatUint(crc64.Checksum(plain, rd.crc), 36) + "-" + strconv.FormatInt(int64(len(plain)), 36) + `"`}
	if r.vary = len(plain) >= gzipAbove; !r.vary || !compress {
		return r
	}
	z, _ := rd.gzips.Get().(*gzip.Writer)
	out := sink{b: make([]byte, 0, len(plain)/8+256)}
	if z == nil {
		z, _ = gzip.NewWriterLevel(&out, gzip.DefaultCompression) // the level is valid
	} else {
		z.Reset(&out)
	}
	z.Write(plain) // a sink does not fail
	z.Close()
	rd.gzips.Put(z)
	if len(out.b) < len(plain) {
		r.gzip, r.gzipLen = out.b, []string{strconv.Itoa(len(out.b))}
	}
	return r
}

// serve writes the body, or 304 when the client has it already.
func (b *rendered) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Cache-Control"] = b.cacheControl
	h["Etag"] = b.etag
	body, length, zipped := b.plain, b.plainLen, false
	if b.vary {
		if h["Vary"] == nil {
			h["Vary"] = b.acceptEncoding
		} else {
			h.Add("Vary", b.acceptEncoding[0])
		}
	}
	if b.gzip != nil && acceptsGzip(field(r, "Accept-Encoding")) {
		body, length, zipped = b.gzip, b.gzipLen, true
	}
	if match := field(r, "If-None-Match"); match != "" && etagMatches(match, b.etag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = b.contentType
	h["X-Content-Type-Options"] = b.nosniff
	if zipped {
		h["Content-Encoding"] = b.gzipEncoding
	}
	h["Content-Length"] = length
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(body) // the client may be gone; nothing to do about it
	}
}

// field returns the first value of a header field, whose name is given in canonical form.
func field(r *http.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
