// SPDX-License-Identifier: Apache-2.0

package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:dist
var dist embed.FS

// Config says how the site is served. The zero value is right when the API is served beside it on the same origin and
// delivers the segments itself.
type Config struct {
	// APIBase is the address of the API as the page shall use it, an absolute http or https URL; empty means beside the
	// page. The page reads it from config.json.
	APIBase string

	// ConnectSources are further origins (scheme://host[:port]) from which the page must be able to load: where
	// segments come from when the API redirects to them or signs their addresses. APIBase need not be repeated here.
	ConnectSources []string

	// Zone is the time zone of the cameras, an IANA name such as Europe/Berlin, and CameraZones that of single ones, by
	// camera id: the page offers to show times as clocks at the camera do. Empty means that nothing is known. Whether such
	// a zone exists is for the browser to say, which passes over one that it does not know.
	Zone        string
	CameraZones map[string]string

	// Sees tells whether a request may learn of a camera; config.json then names to each only the zones of what he may see. nil: all.
	// It is for Handler: [Files] has all zones.
	Sees func(r *http.Request, camera string) bool

	// Login is the address of the page to sign in on, relative to the site or absolute; empty means that there is none.
	Login string

	// NoClips tells the page that the API makes no clips, so that it offers none.
	NoClips bool
}

// zoneName is the form of an IANA time zone name.
var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,3}$`)

// file is one file as it is sent. Its fields never change after Handler, but for the compressed form, made once.
type file struct {
	contentType string
	cache       string
	etag        string // without the quotes
	plain       []byte
	gzipped     func() []byte // nil when compressing does not pay
}

type handler struct {
	files map[string]*file // by path without the leading slash
	csp   string
	cfg   Config
}

// Handler returns a handler for the site. It may be used by several goroutines. It reports all problems of cfg at once.
func Handler(cfg Config) (http.Handler, error) {
	sources, err := cfg.sources()
	if err != nil {
		return nil, fmt.Errorf("webui: %w", err)
	}
	h := &handler{files: map[string]*file{}, csp: policy(sources), cfg: cfg}
	bundle, err := Files(cfg)
	if err != nil {
		return nil, err
	}
	for _, f := range bundle {
		h.files[f.Name] = newFile(f)
	}
	h.files[""] = h.files["index.html"]
	return h, nil
}

// File is one file of the site as it is sent. Body is shared and must not be written to.
type File struct {
	Name         string // path without a leading slash, such as "assets/index-CQ_DRZ5L.css"
	ContentType  string
	CacheControl string
	Body         []byte
}

// Files returns the files of the site, in order of their names, for those who serve them in another way, such as from a bucket.
// config.json is among them and says what cfg says. The content security policy, a header of [Handler], is not.
func Files(cfg Config) ([]File, error) {
	if _, err := cfg.sources(); err != nil {
		return nil, fmt.Errorf("webui: %w", err)
	}
	config, err := cfg.config(cfg.CameraZones)
	if err != nil {
		return nil, err
	}
	bodies := map[string][]byte{}
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("webui: %w", err)
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		bodies[name], err = fs.ReadFile(root, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("webui: read the embedded bundle: %w", err)
	}
	if bodies["index.html"] == nil {
		return nil, errors.New("webui: the embedded bundle has no index.html; run make web")
	}
	bodies[configName] = config
	var files []File
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		f := File{Name: name, ContentType: contentType(name), CacheControl: "no-cache", Body: bodies[name]}
		if strings.HasPrefix(name, "assets/") {
			f.CacheControl = "public, max-age=31536000, immutable"
		}
		files = append(files, f)
	}
	return files, nil
}

const configName = "config.json"

// config is config.json with the zones of some cameras.
func (c *Config) config(zones map[string]string) ([]byte, error) {
	var clips *bool
	if c.NoClips {
		clips = new(bool)
	}
	config, err := json.Marshal(struct {
		APIBase string            `json:"apiBase"`
		Login   string            `json:"login,omitempty"`
		Clips   *bool             `json:"clips,omitempty"` // false or absent
		Zone    string            `json:"zone,omitempty"`
		Zones   map[string]string `json:"zones,omitempty"`
	}{c.APIBase, c.Login, clips, c.Zone, zones})
	if err != nil {
		return nil, fmt.Errorf("webui: %w", err)
	}
	return append(config, '\n'), nil
}

// own is config.json for one who may not see all cameras.
func (h *handler) own(r *http.Request) *file {
	zones := map[string]string{}
	for camera, zone := range h.cfg.CameraZones {
		if h.cfg.Sees(r, camera) {
			zones[camera] = zone
		}
	}
	body, err := h.cfg.config(zones)
	if err != nil { // strings always encode
		return nil
	}
	return newFile(File{Name: configName, ContentType: contentType(configName), CacheControl: "private, no-cache", Body: body})
}

// sources returns the origins that the page may load from besides its own.
func (c Config) sources() ([]string, error) {
	var sources []string
	var problems []error
	add := func(field, address string, mayHavePath bool) {
		u, err := url.Parse(address)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", field, err))
		case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, strings.ContainsAny(address, " ;,'\""):
			problems = append(problems, fmt.Errorf("%s: %q is not an http or https address", field, address))
		case !mayHavePath && (u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != ""):
			problems = append(problems, fmt.Errorf("%s: %q is more than an origin (scheme://host[:port])", field, address))
		default:
			sources = append(sources, u.Scheme+"://"+u.Host)
		}
	}
	if c.APIBase != "" {
		add("APIBase", c.APIBase, true)
	}
	for i, s := range c.ConnectSources {
		add("ConnectSources["+strconv.Itoa(i)+"]", s, false)
	}
	zone := func(field, name string) {
		if !zoneName.MatchString(name) {
			problems = append(problems, fmt.Errorf("%s: %q is not the name of a time zone, such as Europe/Berlin", field, name))
		}
	}
	if c.Zone != "" {
		zone("Zone", c.Zone)
	}
	for _, camera := range slices.Sorted(maps.Keys(c.CameraZones)) {
		zone("CameraZones["+camera+"]", c.CameraZones[camera])
	}
	if u, err := url.Parse(c.Login); err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		problems = append(problems, fmt.Errorf("%q as Login is not the address of a page", c.Login))
	}
	return sources, errors.Join(problems...)
}

// policy is the content security policy. blob: is how Media Source Extensions and the player's transmuxing worker come
// into being; data: is the icon font inside the player's stylesheet. Neither can be reached by markup that was injected,
// because scripts come from the page's own origin only.
func policy(sources []string) string {
	extra := ""
	for _, s := range sources {
		extra += " " + s
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data: blob:",
		"font-src 'self' data:",
		"connect-src 'self'" + extra,
		"media-src 'self' blob:" + extra,
		"worker-src 'self' blob:",
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'self'",
	}, "; ")
}

// contentType is a table of our own: the system's differs from machine to machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".md", ".txt":
		return "text/plain; charset=utf-8"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

func newFile(x File) *file {
	sum := sha256.Sum256(x.Body)
	body := x.Body
	f := &file{
		contentType: x.ContentType,
		cache:       x.CacheControl,
		etag:        base64.RawURLEncoding.EncodeToString(sum[:12]),
		plain:       body,
	}
	compresses := f.contentType != "image/png" && f.contentType != "font/woff2" && f.contentType != "application/octet-stream"
	if compresses && len(body) > 500 {
		f.gzipped = sync.OnceValue(func() []byte { return compress(body) })
	}
	return f
}

// compress returns body gzipped at the best level.
func compress(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic("webui: " + err.Error()) // the level is a constant that exists
	}
	// Writing to a bytes.Buffer cannot fail.
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

// ServeHTTP answers GET and HEAD.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", h.csp)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		plainError(w, http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	f := h.files[name]
	if name == configName && h.cfg.Sees != nil && len(h.cfg.CameraZones) > 0 {
		header.Add("Vary", "Authorization, Cookie")
		f = h.own(r)
	}
	if f == nil {
		plainError(w, http.StatusNotFound)
		return
	}
	body, etag := f.plain, `"`+f.etag+`"`
	if f.gzipped != nil {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			body, etag = f.gzipped(), `"`+f.etag+`-gzip"`
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("ETag", etag)
	header.Set("Cache-Control", f.cache)
	if matches(r.Header.Values("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a reader that went away is no news
	}
}

func plainError(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3): gzip itself decides, else "*", else no.
func acceptsGzip(values []string) bool {
	accepted, named := false, false
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			coding, params, _ := strings.Cut(item, ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "gzip" && coding != "x-gzip" && (coding != "*" || named) {
				continue
			}
			weight := 1.0
			if q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q="); ok {
				var err error
				if weight, err = strconv.ParseFloat(q, 64); err != nil {
					weight = 0
				}
			}
			accepted = weight > 0
			named = named || coding != "*"
		}
	}
	return accepted
}

// matches reads If-None-Match (RFC 9110 section 13.1.2), which compares weakly.
func matches(values []string, etag string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if item == "*" || strings.TrimPrefix(item, "W/") == etag {
				return true
			}
		}
	}
	return false
}
