// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"

	"github.com/s3cam/s3cam/internal/s3server"
)

// Whatever checksum the SDK of AWS sends, its DeleteObjects works.
func TestDeleteObjectsOfTheSDKWithEachChecksum(t *testing.T) {
	tg := newTarget(t)
	tg.put(t, "other", "x")
	for _, algorithm := range append([]types.ChecksumAlgorithm{""}, types.ChecksumAlgorithm("").Values()...) {
		for _, quiet := range []bool{false, true} {
			keys := []string{segmentKey, "a<&>\"' b.ts", "ä/🎥.ts"}
			ids := []types.ObjectIdentifier{{Key: aws.String(tg.prefix + "none.ts")}}
			for _, key := range keys {
				tg.put(t, key, "x")
				ids = append(ids, types.ObjectIdentifier{Key: aws.String(tg.prefix + key)})
			}
			out, err := tg.sdk.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{
				Bucket: &tg.bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(quiet)}, ChecksumAlgorithm: algorithm,
			})
			if err != nil && strings.Contains(err.Error(), "unknown checksum algorithm") {
				t.Logf("%s: the SDK has none: %v", algorithm, err)
				for _, key := range keys {
					tg.do(t, rawRequest{method: "DELETE", path: tg.path(strings.NewReplacer("<", "%3C", ">", "%3E", "\"", "%22", " ", "%20").Replace(key))})
				}
				continue
			}
			if err != nil || len(out.Errors) != 0 {
				t.Fatalf("%s: %v, %+v", algorithm, err, out)
			}
			if want := map[bool]int{false: 4, true: 0}[quiet]; len(out.Deleted) != want {
				t.Errorf("%s, quiet %v: %d named as deleted, want %d", algorithm, quiet, len(out.Deleted), want)
			}
			if left := tg.keys(t); !slices.Equal(left, []string{"other"}) {
				t.Errorf("%s: left %q", algorithm, left)
			}
		}
	}
}

// deletionOf is a request with a document and its MD5.
func deletionOf(tg *target, body string) rawRequest {
	sum := md5.Sum([]byte(body))
	return rawRequest{method: "POST", path: "/" + tg.bucket, query: "delete=", body: body,
		headers: map[string]string{"content-md5": base64.StdEncoding.EncodeToString(sum[:])}}
}

func document(quiet bool, keys ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>%v</Quiet>`, quiet)
	for _, key := range keys {
		b.WriteString("<Object><Key>")
		xml.EscapeText(&b, []byte(key))
		b.WriteString("</Key></Object>")
	}
	return b.String() + "</Delete>"
}

func thousand(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%scam/2026/01/01/00/%02d/%02d.ts", prefix, i/60, i%60)
	}
	return keys
}

func TestDeleteObjectsRefusesWhatItDoesNotUnderstand(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	tg.put(t, "kept.ts", "x")
	const key = "<Object><Key>kept.ts</Key></Object>"
	const bomb = `<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "kept.ts"><!ENTITY b "&a;&a;">]>`
	sum := crc32.ChecksumIEEE([]byte("something else"))
	wrongCRC := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
	for _, tt := range []struct {
		name, body string
		change     func(*rawRequest)
		status     int
		code       string
	}{
		{name: "nothing", body: "", status: 400, code: "MissingRequestBodyError"},
		{name: "no XML", body: "kept.ts", status: 400, code: "MalformedXML"},
		{name: "no keys", body: "<Delete></Delete>", status: 400, code: "MalformedXML"},
		{name: "another root", body: "<Remove>" + key + "</Remove>", status: 400, code: "MalformedXML"},
		{name: "a part", body: "<Delete>" + key, status: 400, code: "MalformedXML"},
		{name: "something behind it", body: "<Delete>" + key + "</Delete><Delete/>", status: 400, code: "MalformedXML"},
		{name: "an unknown element", body: "<Delete>" + key + "<All>true</All></Delete>", status: 400, code: "MalformedXML"},
		{name: "text between", body: "<Delete>all" + key + "</Delete>", status: 400, code: "MalformedXML"},
		{name: "two keys of an object", body: "<Delete><Object><Key>a</Key><Key>kept.ts</Key></Object></Delete>", status: 400, code: "MalformedXML"},
		{name: "an element in a key", body: "<Delete><Object><Key>kept<b/>.ts</Key></Object></Delete>", status: 400, code: "MalformedXML"},
		{name: "an empty key", body: "<Delete>" + key + "<Object><Key></Key></Object></Delete>", status: 400, code: "MalformedXML"},
		{name: "no key", body: "<Delete>" + key + "<Object></Object></Delete>", status: 400, code: "MalformedXML"},
		{name: "a quiet that is neither", body: "<Delete><Quiet>perhaps</Quiet>" + key + "</Delete>", status: 400, code: "MalformedXML"},
		{name: "too long a key", body: "<Delete>" + key + "<Object><Key>" + strings.Repeat("k", 1025) + "</Key></Object></Delete>", status: 400, code: "KeyTooLongError"},
		{name: "a condition", body: "<Delete><Object><Key>kept.ts</Key><ETag>x</ETag></Object></Delete>", status: 501, code: "NotImplemented"},
		{name: "1001 keys", body: document(true, append(thousand("", 1000), "kept.ts")...), status: 400, code: "MalformedXML"},
		{name: "an entity that is defined", body: bomb + "<Delete><Object><Key>&b;</Key></Object></Delete>", status: 400, code: "MalformedXML"},
		{name: "a document type", body: `<!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete>` + key + "</Delete>", status: 400, code: "MalformedXML"},
		{name: "deep nesting", body: "<Delete>" + strings.Repeat("<Object>", 100_000), status: 400, code: "MalformedXML"},
		{name: "a large text", body: "<Delete><Object><Key>" + strings.Repeat("k", 7<<20) + "</Key></Object></Delete>", status: 400, code: "KeyTooLongError"},
		{name: "another encoding", body: `<?xml version="1.0" encoding="UTF-16"?><Delete>` + key + "</Delete>", status: 400, code: "MalformedXML"},
		{name: "a wrong MD5", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.headers["content-md5"] = "1B2M2Y8AsgTpgAmY7PhCfg==" }, status: 400, code: "BadDigest"},
		{name: "an MD5 that is none", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.headers["content-md5"] = "x" }, status: 400, code: "InvalidDigest"},
		{name: "no checksum", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.headers = nil }, status: 400, code: "InvalidRequest"},
		{name: "a wrong CRC32", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.headers = map[string]string{"x-amz-checksum-crc32": wrongCRC} }, status: 400, code: "BadDigest"},
		{name: "another body than was signed", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.payload = hexHash("x") }, status: 400, code: "XAmzContentSHA256Mismatch"},
		{name: "an unknown key pair", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.access = "nobody" }, status: 403, code: "InvalidAccessKeyId"},
		{name: "a wrong secret", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.secret = "guessed" }, status: 403, code: "SignatureDoesNotMatch"},
		{name: "nobody", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.anonymous = true }, status: 403, code: "AccessDenied"},
		{name: "another bucket", body: document(true, "kept.ts"), change: func(r *rawRequest) { r.path = "/none" }, status: 404, code: "NoSuchBucket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := deletionOf(tg, tt.body)
			if tt.change != nil {
				tt.change(&r)
			}
			if res := tg.do(t, r); res.status != tt.status || res.code != tt.code {
				t.Errorf("%d %s, want %d %s: %.300s", res.status, res.code, tt.status, tt.code, res.body)
			}
		})
	}
	if left := tg.keys(t); !slices.Equal(left, []string{"kept.ts"}) {
		t.Errorf("left %q", left)
	}
}

func TestDeleteObjectsTakesAThousandKeys(t *testing.T) {
	tg := newTarget(t)
	keys := thousand(tg.prefix, 1000)
	for _, key := range []string{keys[0], keys[999], tg.prefix + "kept.ts"} {
		tg.put(t, strings.TrimPrefix(key, tg.prefix), "x")
	}
	c := ownClient(t, tg, nil)
	res, err := c.DeleteObjects(t.Context(), keys)
	if err != nil || res.Done != 1000 || len(res.Refused) != 0 || c.Stats().Requests != 1 {
		t.Errorf("%+v, %v after %d requests", res, err, c.Stats().Requests)
	}
	if left := tg.keys(t); !slices.Equal(left, []string{"kept.ts"}) {
		t.Errorf("left %q", left)
	}
	if tg.embedded != nil {
		if left := filesBelow(t, tg); len(left) != 1 {
			t.Errorf("left in the directory: %q", left)
		}
	}
}

// cleaner may delete below "temp/", and nothing else.
type cleaner struct{}

func (cleaner) Lookup(access, _ string) (s3server.Account, error) {
	switch access {
	case "cleaner":
		return s3server.Account{SecretKey: "secret", Allow: func(action, _, key string) bool {
			return action == "s3:DeleteObject" && strings.HasPrefix(key, "temp/")
		}}, nil
	case "cam": // its rule would let it do anything
		return s3server.Account{SecretKey: "secret", Allow: func(string, string, string) bool { return true }, PutOnly: &s3server.PutOnly{Name: "cam"}}, nil
	}
	return s3server.Account{}, s3server.ErrUnknownKey
}

func TestDeleteObjectsAsksForEachKeyWhetherItMayGo(t *testing.T) {
	cfg := config(t)
	cfg.Accounts = cleaner{}
	s, _ := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	all := []string{"cam/1.ts", "temp/1.ts", "temp/2.ts", "temporary/1.ts"}
	for _, key := range all {
		tg.put(t, key, "x")
	}
	as := func(access string, keys ...string) rawRequest {
		r := deletionOf(tg, document(false, keys...))
		r.access, r.secret = access, "secret"
		return r
	}
	for _, r := range []rawRequest{as("cam", "cam/1.ts"), as("cam", all...), {method: "DELETE", path: "/video/cam/1.ts", access: "cam", secret: "secret"}} {
		if res := tg.do(t, r); res.status != 403 || res.code != "AccessDenied" {
			t.Errorf("a camera: %d %s", res.status, res.body)
		}
	}
	presigned := as("cam", "cam/1.ts")
	presigned.presign = time.Minute
	if res := tg.do(t, presigned); res.status != 403 {
		t.Errorf("a camera with a presigned URL: %d %s", res.status, res.body)
	}
	if left := tg.keys(t); !slices.Equal(left, all) {
		t.Fatalf("a camera has deleted: %q are left", left)
	}
	res := tg.do(t, as("cleaner", "temp/1.ts", "cam/1.ts", "temp//2.ts", "temporary/1.ts", "/cam/1.ts", "temp/../cam/1.ts"))
	var out struct {
		Deleted []struct{ Key string }
		Error   []struct{ Key, Code string }
	}
	if err := xml.Unmarshal([]byte(res.body), &out); err != nil || res.status != 200 {
		t.Fatalf("%d %s: %v", res.status, res.body, err)
	}
	for _, e := range out.Error {
		if e.Code != "AccessDenied" {
			t.Errorf("%+v", e)
		}
	}
	if len(out.Error)+len(out.Deleted) != 6 || len(out.Error) < 3 {
		t.Errorf("answer %s", res.body)
	}
	if left := tg.keys(t); !slices.Equal(left, []string{"cam/1.ts", "temporary/1.ts"}) {
		t.Errorf("left %q", left)
	}
}

// The body of a camera's request that is no object is not even read.
func TestDocumentsOfCamerasAreNotRead(t *testing.T) {
	cfg := config(t)
	cfg.Accounts = cleaner{}
	s, _ := run(t, cfg)
	tg := targetOf(t, s, "cam", "secret")
	r := deletionOf(tg, document(true, "x"))
	head := strings.Replace(tg.head(r), fmt.Sprintf("Content-Length: %d", len(r.body)), "Content-Length: 8000000", 1)
	if res := tg.sendHead(t, head+strings.Repeat(" ", 64<<10), "POST"); res.status != 403 || res.code != "AccessDenied" || !res.closes {
		t.Errorf("%d %s, closes %v", res.status, res.body, res.closes)
	}
}

// A version of an object that has none is refused; the others go.
func TestDeleteObjectsTellsErrorsOfSingleKeys(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	tg.put(t, "a.ts", "x")
	tg.put(t, "b.ts", "x")
	out, err := tg.sdk.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &tg.bucket, Delete: &types.Delete{Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{
		{Key: aws.String("a.ts"), VersionId: aws.String("an old one")}, {Key: aws.String("b.ts")},
	}}})
	if err != nil || len(out.Errors) != 1 || *out.Errors[0].Key != "a.ts" || *out.Errors[0].Code == "" || len(out.Deleted) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if left := tg.keys(t); !slices.Equal(left, []string{"a.ts"}) {
		t.Errorf("left %q", left)
	}
}

// What cannot be deleted is told for each key, as an error of the server that clients try again.
func TestDeleteObjectsTellsWhatCouldNotBeDeleted(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: the refusal of single keys by the file system, because root may delete everywhere")
	}
	tg.put(t, "a/1.ts", "x")
	tg.put(t, "b/1.ts", "x")
	dir := filepath.Join(tg.embedded.Bucket.Dir(), "a")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	c := ownClient(t, tg, nil)
	res, err := c.DeleteObjects(t.Context(), []string{tg.prefix + "a/1.ts", tg.prefix + "b/1.ts"})
	if err != nil || res.Done != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	if len(res.Refused) != 1 || res.Refused[0].Index != 0 || res.Refused[0].Code != "InternalError" {
		t.Errorf("%+v", res.Refused)
	}
}

func FuzzDeletion(f *testing.F) {
	for _, s := range []string{
		document(true, "a", "b"), document(false, "a&b"), "<Delete><Object><Key>a</Key><VersionId>v</VersionId></Object></Delete>", "<Delete/>", "",
		"<Delete><Object><Key>a<!-- c -->b</Key></Object></Delete>", "<Delete><Object><Key><![CDATA[<a>]]></Key></Object></Delete>",
		"<x:Delete xmlns:x='u'><x:Object><x:Key>a</x:Key></x:Object></x:Delete>", "<Delete a='b'><Quiet> 1 </Quiet><Object><Key> a </Key></Object></Delete >",
		"<!DOCTYPE x><Delete><Object><Key>a</Key></Object></Delete>", "<Delete><Object><Key>&#x41;&#13;</Key></Object></Delete><!-- end -->",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, _, err := s3server.ParseDeletion(text)
		if err != nil {
			return
		}
		// versitygw must understand the same by it: it is asked whether each of its keys may go.
		var theirs s3response.DeleteObjects
		if err := xml.Unmarshal(text, &theirs); err != nil || len(theirs.Objects) != len(keys) {
			t.Fatalf("%q: %d keys, versitygw: %d, %v", text, len(keys), len(theirs.Objects), err)
		}
		for i, o := range theirs.Objects {
			if o.Key == nil || *o.Key != keys[i] || o.ETag != nil || o.Size != nil || o.LastModifiedTime != nil {
				t.Fatalf("%q: key %d is %q, versitygw's %+v", text, i, keys[i], o)
			}
		}
		if len(keys) == 0 || len(keys) > 1000 {
			t.Fatalf("%d keys", len(keys))
		}
	})
}
