// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/s3cam/s3cam/s3"
)

const (
	bucket    = "video"
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// fakeS3 is an S3 of a few hundred lines that checks every signature with the AWS SDK's signer, written from the API
// reference and sharing no code with the client. Tests put faults in front of it.
type fakeS3 struct {
	t      testing.TB
	server *httptest.Server
	region string
	token  string                                                   // session token that is required
	now    func() time.Time                                         // for the skew check and the Date header
	fault  func(n int, w http.ResponseWriter, r *http.Request) bool // n = 1, 2...; true: answered

	mu       sync.Mutex
	objects  map[string]fakeObject
	requests []*http.Request // without bodies
}

type fakeObject struct {
	data        []byte
	contentType string
	tags        string
}

// newFake starts a server in path style.
func newFake(t testing.TB) *fakeS3 { return startFake(t, httptest.NewServer) }

func newTLSFake(t testing.TB) *fakeS3 { return startFake(t, httptest.NewTLSServer) }

func startFake(t testing.TB, start func(http.Handler) *httptest.Server) *fakeS3 {
	t.Helper()
	f := &fakeS3{t: t, region: "us-east-1", now: time.Now, objects: map[string]fakeObject{}}
	f.server = start(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are the point of many tests
	t.Cleanup(f.server.Close)
	return f
}

// client returns a client of f whose waits are recorded instead of spent.
func (f *fakeS3) client(edit ...func(*s3.Config)) (*s3.Client, *waits) {
	f.t.Helper()
	cfg := s3.Config{
		Endpoint: f.server.URL, Region: f.region, Bucket: bucket, PathStyle: true,
		Credentials: s3.Static(accessKey, secretKey, s3.Secret(f.token)),
	}
	if f.server.TLS != nil {
		cfg.RootCAs = f.server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := s3.New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	w := &waits{}
	s3.SetWaiting(c, w.sleep, func() float64 { return 0.5 })
	return c, w
}

// waits records the pauses between attempts.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

func (f *fakeS3) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

func (f *fakeS3) request(n int) *http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[n]
}

func (f *fakeS3) object(key string) (fakeObject, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects[key]
	return o, ok
}

func (f *fakeS3) store(keys ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		f.objects[k] = fakeObject{data: []byte(k)}
	}
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Clone(context.Background()))
	n := len(f.requests)
	fault := f.fault
	f.mu.Unlock()
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amz-Request-Id", fmt.Sprint("REQ", n))
	if fault != nil && fault(n, w, r) {
		return
	}
	if code, message := f.refuse(r); code != "" {
		xmlError(w, http.StatusForbidden, code, message)
		return
	}
	escaped := r.URL.EscapedPath()
	key, ok := strings.CutPrefix(escaped, "/"+bucket+"/")
	if !ok && escaped != "/"+bucket {
		xmlError(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if !ok {
		key = ""
	}
	key, err := url.PathUnescape(key)
	if err != nil {
		xmlError(w, http.StatusBadRequest, "InvalidURI", "bad key")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case key == "" && r.Method == http.MethodGet:
		f.list(w, r.URL.Query())
	case key == "" && r.Method == http.MethodPost && r.URL.Query().Has("delete"):
		f.deleteMany(w, r)
	case r.Method == http.MethodPut:
		f.put(w, r, key)
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		o, ok := f.objects[key]
		if !ok {
			xmlError(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
			return
		}
		f.get(w, r, o)
	default:
		xmlError(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "")
	}
}

func xmlError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>BODYID</RequestId></Error>", code, message)
}

// refuse signs what arrived with the SDK's signer and compares.
func (f *fakeS3) refuse(r *http.Request) (code, message string) {
	auth := r.Header.Get("Authorization")
	_, signedHeaders, _ := strings.Cut(auth, "SignedHeaders=")
	signedHeaders, _, _ = strings.Cut(signedHeaders, ",")
	signed := strings.Split(signedHeaders, ";")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "AccessDenied", "no X-Amz-Date"
	}
	if f.now().Sub(at).Abs() > 15*time.Minute {
		return "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
	}
	if r.Header.Get("X-Amz-Security-Token") != f.token {
		return "InvalidToken", "The provided token is malformed or otherwise invalid."
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if (strings.HasPrefix(lower, "x-amz-") || lower == "content-type" || lower == "if-none-match" || lower == "range") && !slices.Contains(signed, lower) {
			return "AccessDenied", "There were headers present in the request which were not signed: " + name
		}
	}
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	again.URL.Host = r.Host
	for _, name := range signed {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	cred := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: f.token}
	if err := signer.SignHTTP(context.Background(), cred, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", f.region, at); err != nil {
		return "InternalError", err.Error()
	}
	if again.Header.Get("Authorization") != auth {
		return "SignatureDoesNotMatch", "The request signature we calculated does not match"
	}
	return "", ""
}

func (f *fakeS3) put(w http.ResponseWriter, r *http.Request, key string) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		xmlError(w, http.StatusBadRequest, "IncompleteBody", "")
		return
	}
	sum := sha256.Sum256(data)
	switch hash := r.Header.Get("X-Amz-Content-Sha256"); {
	case hash == "UNSIGNED-PAYLOAD" && r.TLS == nil:
		xmlError(w, http.StatusBadRequest, "InvalidRequest", "unsigned over http")
		return
	case hash != "UNSIGNED-PAYLOAD" && hash != hex.EncodeToString(sum[:]):
		xmlError(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch", "")
		return
	}
	if want := r.Header.Get("X-Amz-Checksum-Crc32c"); want != "" {
		got := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		if base64.StdEncoding.EncodeToString(got) != want {
			xmlError(w, http.StatusBadRequest, "BadDigest", "")
			return
		}
	}
	if _, exists := f.objects[key]; exists && r.Header.Get("If-None-Match") == "*" {
		xmlError(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	f.objects[key] = fakeObject{data, r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Tagging")}
	w.Header().Set("Etag", `"etag"`)
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request, o fakeObject) {
	h := w.Header()
	h.Set("Etag", `"etag"`)
	h.Set("Content-Type", o.contentType)
	h.Set("Last-Modified", "Mon, 09 Mar 2026 04:05:06 GMT")
	data, status, size := o.data, http.StatusOK, int64(len(o.data))
	if spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, to, _ := strings.Cut(spec, "-")
		first, last := int64(0), size-1
		if from == "" {
			n, _ := strconv.ParseInt(to, 10, 64)
			first = max(size-n, 0)
		} else {
			first, _ = strconv.ParseInt(from, 10, 64)
			if to != "" {
				last, _ = strconv.ParseInt(to, 10, 64)
				last = min(last, size-1)
			}
		}
		if first >= size {
			xmlError(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
			return
		}
		data, status = data[first:last+1], http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
	}
	h.Set("Content-Length", fmt.Sprint(len(data)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		w.Write(data)
	}
}

// list answers ListObjectsV2. The continuation token is the last key returned, wrapped so that it needs encoding.
func (f *fakeS3) list(w http.ResponseWriter, q url.Values) {
	maxKeys := 1000
	if v := q.Get("max-keys"); v != "" {
		maxKeys, _ = strconv.Atoi(v)
	}
	after := q.Get("start-after")
	if tok := q.Get("continuation-token"); tok != "" {
		after = strings.TrimSuffix(strings.TrimPrefix(tok, "tok/+=&"), "<end>")
	}
	type content struct {
		Key          string
		LastModified string
		ETag         string
		Size         int
		StorageClass string
	}
	var out struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name, Prefix          string
		KeyCount, MaxKeys     int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
		CommonPrefixes        []struct{ Prefix string }
	}
	out.Name, out.Prefix, out.MaxKeys = bucket, q.Get("prefix"), maxKeys
	keys := make([]string, 0, len(f.objects))
	for k := range f.objects {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	delimiter, last := q.Get("delimiter"), ""
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k, out.Prefix)
		if !ok || k <= after || (last != "" && strings.HasSuffix(last, "/") && delimiter != "" && strings.HasPrefix(k, last)) {
			continue
		}
		if delimiter != "" && strings.HasSuffix(after, delimiter) && strings.HasPrefix(k, after) {
			continue
		}
		if len(out.Contents)+len(out.CommonPrefixes) == maxKeys {
			out.IsTruncated, out.NextContinuationToken = true, "tok/+=&"+last+"<end>"
			break
		}
		last = k
		if folder, _, cut := strings.Cut(rest, delimiter); delimiter != "" && cut {
			last = out.Prefix + folder + delimiter
			out.CommonPrefixes = append(out.CommonPrefixes, struct{ Prefix string }{last})
			continue
		}
		out.Contents = append(out.Contents, content{k, "2026-03-09T04:05:06.000Z", `"etag"`, len(f.objects[k].data), "STANDARD"})
	}
	w.Header().Set("Content-Type", "application/xml")
	io.WriteString(w, xml.Header)
	xml.NewEncoder(w).Encode(out)
}
