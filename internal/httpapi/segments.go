// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/s3cam/s3cam/segment"
)

// segmentType is the media type of MPEG-TS (RFC 3555 4.1.2), which the uploader stores with each object as well.
const segmentType = "video/mp2t"

// A stored segment never changes: the uploader's If-None-Match keeps a key from being written twice.
const segmentCache = "max-age=86400, immutable"

// segment answers /segments/<key>. Only names that parse as segment keys get as far as the store: whatever else lies in
// the bucket stays out of reach.
func (h *handler) segment(w *response, r *http.Request) error {
	ctx, cancel := h.within(r)
	defer cancel()
	key := strings.TrimPrefix(r.URL.Path, segmentsPath)
	camera, start, ok := segment.ParseKey(key)
	if !ok {
		return &Error{Status: http.StatusNotFound, Code: "segment_not_found", Message: "this is no segment: the path is /segments/<camera>/YYYY/MM/DD/hh/mm/ss.ts"}
	}
	g, err := h.authorize(r, camera)
	if err == nil {
		err = h.sees(ctx, camera, start, &g)
	}
	if err != nil {
		return err
	}
	// Where segments are listed by signed URLs of the store only one of the playlists may do so; a relative URL still works.
	if h.cfg.Live == Direct || h.cfg.Replay == Direct {
		return h.direct(ctx, w, r, key)
	}
	return h.redirect(ctx, w, r, key)
}

func (h *handler) redirect(ctx context.Context, w *response, r *http.Request, key string) error {
	signer, err := h.cfg.Presign(ctx, h.cfg.Now(), RedirectExpiry)
	if err != nil {
		return fmt.Errorf("sign for segment %s: %w", key, err)
	}
	header := w.Header()
	header["Location"] = []string{string(signer.AppendGet(make([]byte, 0, 1024), key))}
	header["Cache-Control"] = []string{"no-store"} // the next visit needs a fresh signature
	header["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusFound)
	return nil
}

// direct sends the bytes. One request to the store serves one request of a player, also for a range.
func (h *handler) direct(ctx context.Context, w *response, r *http.Request, key string) error {
	// The store has to begin to answer in time; how long the bytes then take is up to the client's line.
	opening, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()

	offset, n, ranged := parseRange(r.Header.Get("Range"))
	switch {
	case r.Method == http.MethodHead:
		offset, n, ranged = 0, 0, false
	case r.Header.Get("If-Range") != "" && ranged:
		offset, n, ranged = 0, -1, false // whether it is the same segment would cost another request to know (RFC 9110 14.2)
	}
	o, err := h.cfg.Objects.Open(opening, key, offset, n)
	if !stop() { // out of time, so the context of the body is done, too
		if err == nil && o.Body != nil {
			o.Body.Close()
		}
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return fmt.Errorf("segment %s: %w", key, err)
	}
	if o.Body != nil {
		defer o.Body.Close()
	}
	if ranged && o.Size < 0 {
		return faultError(FaultBroken, fmt.Errorf("segment %s: the store does not say how large it is", key))
	}
	if ranged && offset >= o.Size {
		w.Header()["Content-Range"] = []string{"bytes */" + strconv.FormatInt(o.Size, 10)}
		return &Error{Status: http.StatusRequestedRangeNotSatisfiable, Code: "bad_range", Message: fmt.Sprintf("the range begins beyond the end of the segment, which has %d bytes", o.Size)}
	}
	header := w.Header()
	header["Content-Type"] = []string{segmentType}
	header["Cache-Control"] = []string{h.cacheScope() + segmentCache}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	if o.ETag != "" {
		header["Etag"] = []string{o.ETag}
	}
	if rs, ok := o.Body.(io.ReadSeeker); ok {
		if header := r.Header.Get("Range"); header != "" && (r.Method == http.MethodHead || !servesRange(header)) {
			r = r.Clone(r.Context()) // ServeContent would refuse some of what is to be ignored
			r.Header.Del("Range")
		}
		http.ServeContent(w, r, "", o.Modified, rs) // ranges, conditions, HEAD
		return nil
	}
	header["Accept-Ranges"] = []string{"bytes"}
	if !o.Modified.IsZero() {
		header["Last-Modified"] = []string{o.Modified.UTC().Format(http.TimeFormat)}
	}
	if match := r.Header.Get("If-None-Match"); match != "" && o.ETag != "" && etagMatches(match, o.ETag) {
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	length, status := o.Size, http.StatusOK
	if ranged {
		length, status = o.Size-offset, http.StatusPartialContent
		if n >= 0 {
			length = min(length, n)
		}
		header["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, o.Size)}
	}
	if length >= 0 {
		header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead || o.Body == nil {
		return nil
	}
	if length < 0 {
		if _, err := io.Copy(w, o.Body); err != nil {
			return fmt.Errorf("segment %s: %w", key, err)
		}
		return nil
	}
	if sent, err := io.Copy(w, io.LimitReader(o.Body, length)); err != nil {
		return fmt.Errorf("segment %s: %w", key, err)
	} else if sent < length {
		return fmt.Errorf("segment %s: the store sent %d of %d bytes", key, sent, length)
	}
	return nil
}

// parseRange reads the one form of Range that players send, "bytes=A-B" or "bytes=A-". Everything else (suffixes,
// several ranges, nonsense) is ignored, as RFC 9110 14.2 allows: the answer is then the whole segment.
func parseRange(header string) (offset, n int64, ok bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !found || !dash || first == "" {
		return 0, -1, false
	}
	a, err := strconv.ParseUint(first, 10, 62)
	if err != nil {
		return 0, -1, false
	}
	if last == "" {
		return int64(a), -1, true
	}
	b, err := strconv.ParseUint(last, 10, 62)
	if err != nil || b < a {
		return 0, -1, false
	}
	return int64(a), int64(b-a) + 1, true
}

// servesRange tells whether http.ServeContent may see a Range: one part, which can also be the last n bytes of a file.
func servesRange(header string) bool {
	if _, _, ok := parseRange(header); ok {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(header, "bytes=-"), 10, 62)
	return strings.HasPrefix(header, "bytes=-") && err == nil && n > 0
}

// openCache is the Cache-Control of what may change: it may be kept, but each reload asks whether it did. Any age would add to
// the latency of a live playlist.
func (h *handler) openCache() string {
	if h.cfg.Authorize != nil {
		return "private, " + openCacheControl
	}
	return openCacheControl
}

// cacheScope keeps answers that depend on who asks out of shared caches.
func (h *handler) cacheScope() string {
	if h.cfg.Authorize != nil {
		return "private, "
	}
	return "public, "
}
