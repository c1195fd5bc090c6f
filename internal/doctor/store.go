// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
)

// ProbePrefix is where a probe object is stored for a moment. No camera can have that name.
const ProbePrefix = ".s3cam-doctor/"

// Cameras that recorded longer ago than tired are not expected any more; silent are those between.
const (
	silentAfter = 2 * time.Minute
	tired       = 7 * 24 * time.Hour
	mostCameras = 20 // named one by one
)

// store tries each right that a server needs: listing and reading to play, deleting for retention. Storing is the cameras'.
func (d *doctor) store(ctx context.Context) {
	c := d.cfg.Store
	listed := false
	if err := d.leftovers(ctx); err != nil {
		d.fail("store.list", storeAdvice("s3:ListBucket", err), "bucket %s cannot be listed: %v", c.Bucket(), short(err))
	} else {
		d.ok("store.list", "bucket %s can be listed", c.Bucket())
		listed = true
	}
	var name [8]byte
	rand.Read(name[:]) // never fails
	key := ProbePrefix + hex.EncodeToString(name[:])
	body := []byte("s3cam doctor " + key)
	before := d.cfg.Now()
	put, err := d.put(ctx, key, body)
	if !put.Date.IsZero() {
		d.compareClock("clock.store", "the store", put.Date, before, d.cfg.Now())
	}
	if err != nil {
		if d.denied(err) {
			d.warn("store.put", "nothing, if these are a server's keys: only cameras store (s3:PutObject below their own prefix)", "these keys may not store: %v", short(err))
		} else {
			d.fail("store.put", storeAdvice("s3:PutObject", err), "a probe could not be stored: %v", short(err))
		}
		return
	}
	d.ok("store.put", "a probe could be stored")
	gone := false
	defer func() {
		if !gone { // whatever happened, also to ctx: try once more not to leave it
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
			defer cancel()
			_ = c.Delete(ctx, key)
		}
	}()
	d.read(ctx, key, body)
	if listed {
		d.seen(ctx, key)
	}
	if d.cfg.Origin != "" {
		d.cors(ctx, key)
	}
	if err := d.remove(ctx, key); err != nil {
		level := d.warn
		if !d.denied(err) {
			level = d.fail
		}
		level("store.delete", storeAdvice("s3:DeleteObject", err)+"; without it retention deletes nothing. Remove "+key+" by hand", "the probe could not be deleted: %v", short(err))
		return
	}
	gone = true
	d.ok("store.delete", "the probe could be deleted")
}

// leftovers removes probes of runs that were killed; it is also the first listing.
func (d *doctor) leftovers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var old []string
	err := d.cfg.Store.List(ctx, ProbePrefix, "", 100, func(key []byte, _ int64) bool {
		old = append(old, string(key))
		return len(old) < 100
	})
	for _, key := range old {
		_ = d.cfg.Store.Delete(ctx, key)
	}
	return err
}

func (d *doctor) put(ctx context.Context, key string, body []byte) (s3.PutResult, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	res, err := d.cfg.Store.Put(ctx, key, bytes.NewReader(body), int64(len(body)), s3.PutOptions{ContentType: "text/plain"})
	var answer *s3.Error
	if errors.As(err, &answer) {
		res.Date = answer.Date
	}
	return res, err
}

func (d *doctor) read(ctx context.Context, key string, want []byte) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o, err := d.cfg.Store.Get(ctx, key, s3.GetOptions{})
	if err != nil {
		d.fail("store.get", storeAdvice("s3:GetObject", err), "the probe cannot be read: %v", short(err))
		return
	}
	defer o.Body.Close()
	got, err := io.ReadAll(io.LimitReader(o.Body, 1<<10))
	switch {
	case err != nil:
		d.fail("store.get", "look at the network between here and the store", "reading the probe broke off: %v", short(err))
	case !bytes.Equal(got, want):
		d.fail("store.get", "a proxy or a cache changes what goes through it: take it out of the way", "what was read is not what was stored")
	default:
		d.ok("store.get", "the probe came back as it was")
	}
}

// seen lists the probe: live playlists rely on a store whose listings show at once what was stored.
func (d *doctor) seen(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found := false
	err := d.cfg.Store.List(ctx, ProbePrefix, "", 100, func(k []byte, _ int64) bool { found = string(k) == key; return !found })
	switch {
	case err != nil:
		d.fail("store.consistent", storeAdvice("s3:ListBucket", err), "the probe could not be listed: %v", short(err))
	case !found:
		d.fail("store.consistent", "use a store with consistent listings, as S3 has since 2020", "a listing does not show what was stored before it")
	default:
		d.ok("store.consistent", "a listing shows at once what was stored")
	}
}

func (d *doctor) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return d.cfg.Store.Delete(ctx, key)
}

// cors asks for the probe as a page of Origin does that was given a signed URL.
func (d *doctor) cors(ctx context.Context, key string) {
	const advice = "allow GET and HEAD for the page's origin in the CORS rules of the bucket (s3api put-bucket-cors), or deliver by this server: --delivery direct"
	p, err := d.cfg.Store.Presigner(ctx, d.cfg.Now(), time.Minute)
	if err != nil {
		d.fail("store.cors", "check the credentials", "no signed URL could be made: %v", short(err))
		return
	}
	ask := func(method string, head http.Header) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, method, string(p.AppendGet(nil, key)), nil)
		if err != nil {
			return nil, errors.New("no signed URL could be made") // the error would show it
		}
		req.Header = head
		resp, err := d.web.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return resp, unsigned(err)
	}
	resp, err := ask(http.MethodGet, http.Header{"Origin": {d.cfg.Origin}})
	if err != nil {
		d.fail("store.cors", "viewers load from there themselves: it must be reachable for them", "the store does not answer a signed URL: %v", err)
		return
	}
	allow := resp.Header.Get("Access-Control-Allow-Origin")
	switch {
	case resp.StatusCode != http.StatusOK:
		d.fail("store.cors", "check the clock and the credentials", "a signed URL gives status %d", resp.StatusCode)
	case allow != "*" && !strings.EqualFold(allow, d.cfg.Origin):
		d.fail("store.cors", advice, "the store does not let pages of %s read what it sends", d.cfg.Origin)
	default:
		d.ok("store.cors", "pages of %s may load segments from the store", d.cfg.Origin)
	}
}

func (d *doctor) denied(err error) bool { return errors.Is(err, s3.ErrAccessDenied) }

// storeAdvice says what to do about an answer of a store.
func storeAdvice(right string, err error) string {
	var answer *s3.Error
	errors.As(err, &answer)
	switch {
	case errors.Is(err, s3.ErrNoBucket):
		return "create the bucket, or name another with --bucket"
	case errors.Is(err, s3.ErrClockSkew):
		return "set this machine's clock (NTP)"
	case answer != nil && (answer.Code == "InvalidAccessKeyId" || answer.Code == "SignatureDoesNotMatch"):
		return "check the keys (S3CAM_S3_ACCESS_KEY, S3CAM_S3_SECRET_KEY, or the AWS ones) and --region"
	case errors.Is(err, s3.ErrExpiredCredentials):
		return "get new credentials"
	case errors.Is(err, s3.ErrAccessDenied):
		return "allow " + right + " for these keys"
	case answer != nil && answer.Status == http.StatusInsufficientStorage:
		return "the store's disk is full: make room"
	case answer != nil && answer.Status >= 500:
		return "the store has a fault; its own log says more"
	}
	return "check --s3-url, the network and that the store is running"
}

// cameras tells which of them are silent.
func (d *doctor) cameras(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*askTimeout)
	defer cancel()
	all, err := d.cfg.Cameras(ctx)
	if err != nil {
		d.fail("cameras", "see the lines about the store", "the cameras could not be listed: %v", short(err))
		return
	}
	now := d.cfg.Now()
	live, named := 0, 0
	say := func(c playback.Camera, advice, format string, args ...any) {
		if named++; named <= mostCameras {
			d.warn("cameras", advice, "%s: %s", c.ID, fmt.Sprintf(format, args...))
		}
	}
	for _, c := range all {
		switch age := now.Sub(c.Last); {
		case age < -clockWarn:
			say(c, "set the camera's clock (NTP)", "its newest segment begins %v from now: its clock is ahead", (-age).Round(time.Second))
		case age < silentAfter:
			live++
		case age < tired:
			say(c, "look at its power, its network, and s3cam-agent status on it", "nothing for %v, since %s UTC", age.Round(time.Second), c.Last.UTC().Format(time.DateTime))
		}
	}
	if named > mostCameras {
		d.warn("cameras", "look at the network or the store first", "%d more are not right either", named-mostCameras)
	}
	switch {
	case len(all) == 0:
		d.warn("cameras", "connect one: docs/guide/cameras.md", "nothing is recorded yet")
		return
	case live == 0:
		d.warn("cameras", "look at the network between them and the store first", "none of the %d cameras recorded within the last %v", len(all), silentAfter)
		return
	}
	d.ok("cameras", "%d of %d cameras recorded within the last %v", live, len(all), silentAfter)
}
