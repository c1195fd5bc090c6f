// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// deleteMany is DeleteObjects as the API reference has it. Keys that begin with "refuse-CODE-" are refused with that code.
func (f *fakeS3) deleteMany(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		xmlError(w, http.StatusBadRequest, "IncompleteBody", "")
		return
	}
	md, sha := md5.Sum(text), sha256.Sum256(text)
	var doc struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Delete"`
		Quiet   bool
		Object  []struct{ Key string }
	}
	switch {
	case r.Header.Get("Content-Md5") == "":
		xmlError(w, http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
		return
	case r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(md[:]):
		xmlError(w, http.StatusBadRequest, "BadDigest", "")
		return
	case r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sha[:]):
		xmlError(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch", "")
		return
	case xml.Unmarshal(text, &doc) != nil || len(doc.Object) == 0 || len(doc.Object) > 1000:
		xmlError(w, http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed")
		return
	}
	var out struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []struct{ Key string }
		Error   []struct{ Key, Code, Message string }
	}
	for _, o := range doc.Object {
		if rest, ok := strings.CutPrefix(o.Key, "refuse-"); ok {
			code, _, _ := strings.Cut(rest, "-")
			out.Error = append(out.Error, struct{ Key, Code, Message string }{o.Key, code, "message of " + code})
			continue
		}
		delete(f.objects, o.Key)
		if !doc.Quiet {
			out.Deleted = append(out.Deleted, struct{ Key string }{o.Key})
		}
	}
	w.Header().Set("Content-Type", "application/xml")
	io.WriteString(w, xml.Header)
	xml.NewEncoder(w).Encode(out)
}

func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("cam/2026/01/01/%02d/%02d/%02d.ts", i/3600%24, i/60%60, i%60)
	}
	return keys
}

// methods tells which requests came, as "POST POST DELETE".
func (f *fakeS3) methods() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.requests {
		all = append(all, r.Method)
	}
	return strings.Join(all, " ")
}

func TestDeleteObjectsTakesAThousandKeysARequest(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *fakeS3{"http": newFake, "https": newTLSFake} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			c, _ := f.client()
			keys := numbered(2001)
			f.store(keys...)
			f.store("cam/other", "<&>\"'")
			res, err := c.DeleteObjects(t.Context(), append(keys, "none", "<&>\"'"))
			if err != nil || res.Done != 2003 || len(res.Refused) != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			if got := f.methods(); got != "POST POST POST" {
				t.Errorf("requests: %s", got)
			}
			if len(f.objects) != 1 {
				t.Errorf("%d objects are left, want the one that was not named", len(f.objects))
			}
		})
	}
	f := newFake(t)
	c, _ := f.client()
	if res, err := c.DeleteObjects(t.Context(), nil); err != nil || res.Done != 0 || f.count() != 0 {
		t.Errorf("without keys: %+v, %v, %d requests", res, err, f.count())
	}
	if _, err := c.DeleteObjects(t.Context(), []string{"a", ""}); err == nil || f.count() != 0 {
		t.Errorf("an empty key: %v, %d requests", err, f.count())
	}
}

func TestDeleteObjectsWithOddKeysDeletesThoseAndNoOthers(t *testing.T) {
	odd := []string{"a\x01b", "a\ufffdb", "a\nb", "a\rb", "a\tb", " a ", "a&amp;b", "]]>", "ä🎥", "a\ufffeb", "a b", "a+b", "a%20b"}
	for _, key := range odd {
		f := newFake(t)
		c, _ := f.client()
		f.store(odd...)
		res, err := c.DeleteObjects(t.Context(), []string{key})
		if err != nil || res.Done != 1 || len(res.Refused) != 0 {
			t.Errorf("%q: %+v, %v", key, res, err)
		}
		if _, there := f.object(key); there || len(f.objects) != len(odd)-1 {
			t.Errorf("%q: %d of %d objects are left, it among them: %v", key, len(f.objects), len(odd), there)
		}
	}
	f := newFake(t)
	c, _ := f.client()
	f.store(odd...)
	if res, err := c.DeleteObjects(t.Context(), odd); err != nil || res.Done != len(odd) || len(f.objects) != 0 {
		t.Errorf("all together: %+v, %v, %d left", res, err, len(f.objects))
	}
}

func TestDeleteObjectsTellsWhatWasRefused(t *testing.T) {
	f := newFake(t)
	c, w := f.client()
	keys := numbered(1500)
	keys[3], keys[7], keys[1200] = "refuse-AccessDenied-1", "refuse-SlowDown-1", "refuse-InternalError-1"
	f.store(keys...)
	res, err := c.DeleteObjects(t.Context(), keys)
	if err != nil || res.Done != len(keys) || len(res.Refused) != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	for i, want := range []struct {
		index int
		code  string
	}{{3, "AccessDenied"}, {7, "SlowDown"}, {1200, "InternalError"}} {
		if r := res.Refused[i]; r.Index != want.index || r.Key != keys[want.index] || r.Code != want.code || r.Message != "message of "+want.code {
			t.Errorf("refusal %d: %+v, want %+v", i, r, want)
		}
	}
	if !errors.Is(&res.Refused[0], s3.ErrAccessDenied) || !errors.Is(&res.Refused[1], s3.ErrThrottled) || errors.Is(&res.Refused[2], s3.ErrThrottled) {
		t.Errorf("the refusals are not what their codes say: %v", res.Refused)
	}
	if got := f.methods(); got != "POST POST POST POST POST POST POST POST" { // four tries for each thousand, the later with one key
		t.Errorf("requests: %s", got)
	}
	if len(w.all) != 6 || w.all[0] != time.Second || w.all[3] != 50*ms {
		t.Errorf("waited %v: want seconds for SlowDown, less for the other", w.all)
	}
	if len(f.objects) != 3 {
		t.Errorf("%d objects are left, want the three", len(f.objects))
	}
}

func TestDeleteObjectsTriesAgainOnlyWhatIsBusy(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	keys := []string{"a", "refuse-SlowDown-1", "b"}
	f.store(keys...)
	f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n != 2 {
			return false
		}
		text, _ := io.ReadAll(r.Body)
		if s := string(text); strings.Count(s, "<Key>") != 1 || !strings.Contains(s, "<Key>refuse-SlowDown-1</Key>") {
			t.Errorf("the second try asks for %s", s)
		}
		io.WriteString(w, `<DeleteResult/>`)
		return true
	}
	if res, err := c.DeleteObjects(t.Context(), keys); err != nil || res.Done != 3 || len(res.Refused) != 0 || f.count() != 2 {
		t.Errorf("%+v, %v, %d requests", res, err, f.count())
	}
}

func TestDeleteObjectsFallsBackToSingleDeletes(t *testing.T) {
	for _, refusal := range []fault{answerError(405, "MethodNotAllowed"), answerError(501, "NotImplemented"), answerError(501, ""), answerError(400, "MalformedPOSTRequest")} {
		f := newFake(t)
		now := time.Now()
		c, _ := f.client(func(cfg *s3.Config) { cfg.Now = func() time.Time { return now } })
		f.now = func() time.Time { return now }
		keys := numbered(20)
		f.store(keys...)
		f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/05.ts") {
				xmlError(w, 403, "AccessDenied", "")
				return true
			}
			return r.Method == http.MethodPost && refusal(n, w, r)
		}
		for range 2 {
			res, err := c.DeleteObjects(t.Context(), keys)
			if err != nil || res.Done != 20 || len(res.Refused) != 1 || res.Refused[0].Index != 5 || res.Refused[0].Code != "AccessDenied" {
				t.Fatalf("%+v, %v", res, err)
			}
		}
		if got := f.methods(); strings.Count(got, "POST") != 1 || strings.Count(got, "DELETE") != 40 || len(f.objects) != 1 {
			t.Errorf("requests: %s; %d objects left", got, len(f.objects))
		}
		now = now.Add(61 * time.Minute)
		f.fault = nil
		if _, err := c.DeleteObjects(t.Context(), keys); err != nil || len(f.objects) != 0 || f.request(f.count()-1).Method != http.MethodPost {
			t.Errorf("an hour later: %v, %d objects left, %s", err, len(f.objects), f.methods())
		}
	}
}

func TestDeleteObjectsOutlivesFaults(t *testing.T) {
	for name, fault := range map[string]fault{
		"a reset connection": reset, "half an answer": half, "500": answerError(500, "InternalError"), "503": answerError(503, "SlowDown"),
		"a body damaged on its way": answerError(400, "BadDigest"), "a timeout of the server": answerError(400, "RequestTimeout"),
	} {
		f := newFake(t)
		c, _ := f.client()
		keys := numbered(10)
		f.store(keys...)
		f.fault = onlyFirst(1, fault)
		if res, err := c.DeleteObjects(t.Context(), keys); err != nil || res.Done != 10 || len(f.objects) != 0 || f.methods() != "POST POST" {
			t.Errorf("%s: %+v, %v; %d objects left after %s", name, res, err, len(f.objects), f.methods())
		}
	}
	for name, fault := range map[string]fault{"403": answerError(403, "AccessDenied"), "no bucket": answerError(404, "NoSuchBucket"), "a web server": webServer} {
		f := newFake(t)
		c, _ := f.client()
		f.fault = fault
		if res, err := c.DeleteObjects(t.Context(), numbered(10)); err == nil || res.Done != 0 || f.count() != 1 {
			t.Errorf("%s: %+v, %v after %s", name, res, err, f.methods())
		}
	}
	f := newFake(t)
	c, _ := f.client(func(cfg *s3.Config) { cfg.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) } })
	f.store("k")
	if res, err := c.DeleteObjects(t.Context(), []string{"k"}); err != nil || res.Done != 1 || len(f.objects) != 0 {
		t.Errorf("with a clock three hours late: %+v, %v", res, err)
	}
}

func TestDeleteObjectsTellsHowFarItCame(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	keys := numbered(3000)
	f.store(keys...)
	f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		return n > 1 && answerError(503, "SlowDown")(n, w, r)
	}
	res, err := c.DeleteObjects(t.Context(), keys)
	if !errors.Is(err, s3.ErrThrottled) || res.Done != 1000 || len(f.objects) != 2000 || f.count() != 5 {
		t.Errorf("%+v, %v; %d objects left after %d requests", res, err, len(f.objects), f.count())
	}
	f.fault = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := c.DeleteObjects(ctx, keys); !errors.Is(err, context.Canceled) || res.Done != 0 || len(f.objects) != 2000 {
		t.Errorf("with an ended context: %+v, %v", res, err)
	}
}

// Only an answer that is S3's to this request counts: else footage would be taken for deleted that is not.
func TestDeleteObjectsBelievesOnlyItsOwnAnswer(t *testing.T) {
	for body, want := range map[string]string{
		"": "not S3's", "<html>welcome</html>": "not S3's", "<ListBucketResult/>": "not S3's", "<DeleteResult>": "not S3's",
		"<DeleteResult><Error><Key>other</Key><Code>InternalError</Code></Error></DeleteResult>": "was not to be deleted",
		"<Error><Code>AccessDenied</Code></Error>":                                               "AccessDenied",
		strings.Repeat(" ", 8<<20+1):                                                             "larger than 8 MiB",
	} {
		f := newFake(t)
		c, _ := f.client()
		f.fault = garbage(200, body)
		if res, err := c.DeleteObjects(t.Context(), []string{"k"}); err == nil || !strings.Contains(err.Error(), want) || res.Done != 0 {
			t.Errorf("%.60q: %+v, %v; want %q", body, res, err, want)
		}
	}
}

func TestDeleteObjectsSaysWhatItSends(t *testing.T) {
	f := newFake(t)
	ours, _ := f.client()
	f.store(oddKeys...)
	if res, err := ours.DeleteObjects(t.Context(), oddKeys); err != nil || len(res.Refused) != 0 || len(f.objects) != 0 {
		t.Errorf("%+v, %v; left %d", res, err, len(f.objects))
	}
	if !slices.Contains(f.request(0).Header["Content-Type"], "application/xml") {
		t.Errorf("content type %q", f.request(0).Header["Content-Type"])
	}
}

func FuzzDeleteAnswer(f *testing.F) {
	for _, s := range []string{"<DeleteResult/>", "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>",
		"<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>", "<Error/>", "", "<DeleteResult><Error><Key>x", "<DeleteResult><Error/></DeleteResult>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		refused, left, err := s3.DeleteAnswer([]string{"k", "l", "k"}, text)
		if err != nil {
			return
		}
		if len(refused)+left > 3 {
			t.Fatalf("%d refused and %d left of 3 keys", len(refused), left)
		}
		for _, r := range refused {
			if r.Key != []string{"k", "l", "k"}[r.Index] {
				t.Fatalf("refusal %+v", r)
			}
		}
	})
}
