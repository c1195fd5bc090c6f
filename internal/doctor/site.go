// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// slow is how long an answer may take.
const slow = 2 * time.Second

// site asks a server as a viewer from outside would.
func (d *doctor) site(ctx context.Context) {
	u, err := url.Parse(d.cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		d.fail("site", "write it as https://video.example.org", "--url %q is not the address of a server", d.cfg.URL)
		return
	}
	base := strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/")
	loopback := u.Hostname() == "localhost"
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		loopback = true
	}
	switch {
	case u.Scheme == "https":
		if !d.certificate(ctx, u) {
			return // every request would fail for the same reason
		}
	case !loopback:
		d.warn("certificate", "serve by TLS: --tls-cert or --acme-domain", "%s is not encrypted: passwords and footage can be read on the way", base)
	}
	before := d.cfg.Now()
	status, head, body, err := d.ask(ctx, base+"/healthz", "")
	after := d.cfg.Now()
	switch {
	case err != nil:
		d.fail("site", "check the address, the firewall, and that the server is running", "%s does not answer: %v", base, short(err))
		return
	case status == http.StatusMisdirectedRequest:
		d.fail("site", "allow the name: --host "+u.Hostname(), "the server does not answer under the name %s", u.Hostname())
		return
	case status == http.StatusBadRequest && strings.Contains(string(body), "HTTPS server"): // net/http's own words
		d.fail("site", "ask for https://"+u.Host, "%s speaks TLS only", base)
		return
	case status != http.StatusOK || !strings.Contains(string(body), `"status":"ok"`):
		d.fail("site", "check the address: a proxy or another server answers", "%s/healthz gives status %d, and not what s3cam says", base, status)
		return
	case after.Sub(before) > slow:
		d.warn("site", "look at the load of the server and at the network", "%s took %v to answer", base, after.Sub(before).Round(10*time.Millisecond))
	default:
		d.ok("site", "%s answers", base)
	}
	if date, err := http.ParseTime(head.Get("Date")); err == nil {
		d.compareClock("clock.site", "the server", date, before, after)
	}
	if u.Scheme == "https" && head.Get("Strict-Transport-Security") == "" && !loopback {
		d.warn("site.hsts", "serve with --hsts, or let the proxy add the header", "browsers are not told to come by https only")
	}
	d.ready(ctx, base)
	d.strangers(ctx, base, loopback)
	if d.cfg.Origin != "" {
		d.siteCORS(ctx, base)
	}
}

func (d *doctor) ready(ctx context.Context, base string) {
	status, _, body, err := d.ask(ctx, base+"/readyz", "")
	var answer struct{ Reasons []string }
	_ = json.Unmarshal(body, &answer) // a proxy's own page gives no reasons
	switch {
	case err != nil:
		d.fail("site.ready", "check the network", "%s/readyz does not answer: %v", base, short(err))
	case status == http.StatusOK:
		d.ok("site.ready", "the server is ready: its store can be used")
	case status == http.StatusServiceUnavailable:
		d.fail("site.ready", "run s3cam doctor on the server; its log says more", "the server is not ready: %s", strings.Join(answer.Reasons, ", "))
	default:
		d.warn("site.ready", "let the proxy pass /readyz", "%s/readyz gives status %d", base, status)
	}
}

// strangers looks what somebody without a login sees.
func (d *doctor) strangers(ctx context.Context, base string, loopback bool) {
	status, _, body, err := d.ask(ctx, base+"/cameras", "")
	var list struct{ Cameras []json.RawMessage }
	switch {
	case err != nil:
		d.fail("site.access", "check the network", "%s/cameras does not answer: %v", base, short(err))
		return
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		d.ok("site.access", "strangers see nothing")
	case status != http.StatusOK:
		d.fail("site.access", "run s3cam doctor on the server; its log says more", "%s/cameras gives status %d", base, status)
	case json.Unmarshal(body, &list) != nil:
		d.fail("site.access", "check what the proxy does with /cameras", "%s/cameras is no list of cameras", base)
	case len(list.Cameras) > 0 && (!loopback || d.cfg.ExpectLogin):
		d.warn("site.access", "nothing, if everyone may watch; else serve without --anonymous and --public-camera", "strangers see %d cameras", len(list.Cameras))
	default:
		d.ok("site.access", "the list of cameras answers")
	}
	if d.cfg.Token == "" {
		return
	}
	switch status, _, _, err := d.ask(ctx, base+"/cameras", d.cfg.Token); {
	case err != nil:
		d.fail("site.token", "check the network", "%s/cameras does not answer: %v", base, short(err))
	case status == http.StatusOK:
		d.ok("site.token", "the token is good")
	default:
		d.fail("site.token", "make a new one: s3cam token make", "the token is refused with status %d", status)
	}
}

func (d *doctor) siteCORS(ctx context.Context, base string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/cameras", nil)
	if err != nil {
		return
	}
	req.Header.Set("Origin", d.cfg.Origin)
	resp, err := d.web.Do(req)
	if err != nil {
		d.fail("site.cors", "check the network", "%v", short(err))
		return
	}
	resp.Body.Close()
	if allow := resp.Header.Get("Access-Control-Allow-Origin"); allow != "*" && !strings.EqualFold(allow, d.cfg.Origin) {
		d.fail("site.cors", "add --cors-origin "+d.cfg.Origin, "pages of %s may not read what the server sends", d.cfg.Origin)
		return
	}
	d.ok("site.cors", "pages of %s may use the API", d.cfg.Origin)
}

// ask gets a small answer.
func (d *doctor) ask(ctx context.Context, address, token string) (status int, head http.Header, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := d.web.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return resp.StatusCode, resp.Header, body, err
}
