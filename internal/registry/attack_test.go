// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/segment"
)

// prey is a running store with two cameras, cam1, whose key has been stolen, and cam2, and old footage of both.
type prey struct {
	server *s3server.Server
	reg    *registry.Registry
	stolen registry.Issued
	addr   string
	root   string // of the files of the bucket
	now    time.Time
}

func hunted(t *testing.T, certificate bool) (*prey, raw) {
	t.Helper()
	dir := t.TempDir()
	p := &prey{reg: open(t, dir, nil), now: time.Now().UTC().Truncate(time.Second)}
	add(t, p.reg, registry.AddOptions{ID: "cam2"})
	add(t, p.reg, registry.AddOptions{ID: "cam10"})
	p.stolen = add(t, p.reg, registry.AddOptions{ID: "cam1", Certificate: certificate})
	var err error
	p.server, err = s3server.New(s3server.Config{Dir: dir, Addr: "127.0.0.1:0", AccessKey: "ROOT", SecretKey: "root", Accounts: p.reg, Durability: s3server.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	p.addr, p.root = strings.TrimPrefix(p.server.URL(), "http://"), p.server.Bucket().Dir()
	for _, key := range []string{p.old("cam1"), p.old("cam2"), p.old("cam10"), "demo/2021/01/01/00/00/00.ts"} {
		root := raw{method: "PUT", path: "/video/" + key, body: "secret of " + key, key: "ROOT", secret: "root"}
		if a := root.send(t, p.addr); a.status != 200 {
			t.Fatalf("%s: %+v", key, a)
		}
		then := time.Now().Add(-registry.DefaultGrace - time.Second)
		if err := os.Chtimes(filepath.Join(p.root, key), then, then); err != nil {
			t.Fatal(err)
		}
	}
	as := raw{method: "PUT", key: p.stolen.AccessKey, secret: string(p.stolen.SecretKey)}
	if certificate {
		s, err := p.reg.Issue(leaf(t, p.stolen.Pair.Certificate), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		as.key, as.secret, as.token = s.AccessKey, string(s.SecretKey), string(s.Token)
	}
	return p, as
}

// old is the key of footage that was stored before the attack.
func (p *prey) old(camera string) string { return segment.Key(camera, p.now.Add(-time.Hour)) }

// fresh is the key of a segment of n seconds ago.
func (p *prey) fresh(camera string, n int) string {
	return segment.Key(camera, p.now.Add(-time.Duration(n)*time.Second))
}

// files is everything in the bucket: name and content.
func (p *prey) files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(p.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(p.root, path)
		all[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unchanged fails when the bucket is not as it was, and when an answer carries what it holds.
func (p *prey) unchanged(t *testing.T, before map[string]string, what string) {
	t.Helper()
	after := p.files(t)
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s: %s is gone or changed", what, name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s: %s has appeared", what, name)
		}
	}
}

// Requests as they are on the wire: what a stolen key cannot do.
func TestAStolenKeyOnTheWire(t *testing.T) {
	for _, certificate := range []bool{false, true} {
		t.Run(fmt.Sprintf("certificate %v", certificate), func(t *testing.T) {
			p, as := hunted(t, certificate)
			before := p.files(t)
			stamp := strings.TrimPrefix(p.fresh("x", 5), "x") // /2026/.../ss.ts
			at := func(path string) raw { r := as; r.path, r.body = path, "evil"; return r }
			with := func(r raw, change func(*raw)) raw { change(&r); return r }
			put := func(key string) raw { return at("/video/" + key) }
			over := p.old("cam1")
			copied := func(source string) raw {
				return with(put("cam1"+stamp), func(r *raw) { r.body, r.headers = "", map[string]string{"x-amz-copy-source": source} })
			}
			tests := map[string]raw{
				// elsewhere
				"another camera":                       put("cam2" + stamp),
				"a longer name":                        put("cam10" + stamp),
				"a shorter name":                       put("cam" + stamp),
				"another case":                         put("CAM1" + stamp),
				"its name and a space":                 put("cam1%20" + stamp),
				"its name and a dot":                   put("cam1." + stamp),
				"its name and NUL":                     put("cam1%00" + stamp),
				"a camera below it":                    put("cam1/cam2" + stamp),
				"dots":                                 put("cam1/../cam2" + stamp),
				"encoded dots":                         put("cam1/%2e%2e/cam2" + stamp),
				"an encoded slash":                     put("cam1%2f..%2fcam2" + stamp),
				"a whole encoded key":                  put("cam1%2F%2E%2E%2Fcam2" + strings.ReplaceAll(stamp, "/", "%2F")),
				"doubly encoded dots":                  put("cam1/%252e%252e/cam2" + stamp),
				"a backslash":                          put("cam1%5c..%5ccam2" + stamp),
				"a single dot":                         put("./cam2" + stamp),
				"a leading slash":                      put("/cam2" + stamp),
				"full-width dots":                      put("cam1/%ef%bc%8e%ef%bc%8e/cam2" + stamp),
				"a division slash":                     put("cam1%e2%88%95..%e2%88%95cam2" + stamp),
				"a full-width digit":                   put("cam%ef%bc%91" + stamp),
				"a combining mark":                     put("cam1%cc%81" + stamp),
				"a zero-width joiner":                  put("cam1%e2%80%8d" + stamp),
				"a right-to-left override":             put("%e2%80%aecam1" + stamp),
				"overlong UTF-8":                       put("cam1/%c0%ae%c0%ae/cam2" + stamp),
				"not UTF-8":                            put("cam1%ff" + stamp),
				"full-width digits in the time":        put("cam1" + strings.Replace(stamp, "2", "%ef%bc%92", 1)),
				"the top level":                        put("evil.ts"),
				"a state file":                         at("/cameras.json"),
				"a state file in no bucket":            at("/ca/ca.pem"),
				"another bucket":                       at("/demo/cam1" + stamp),
				"the engine's own folder":              put(".sgwtmp/cam1" + stamp),
				"the bucket in the host name":          with(at("/cam2"+stamp), func(r *raw) { r.host = "video.localhost" }),
				"a bucket in the host name and a path": with(at("/video/cam1"+stamp), func(r *raw) { r.host = "video.localhost" }),
				// what is no segment
				"a page":                     put("cam1/index.html"),
				"no time":                    put("cam1/x.ts"),
				"a folder":                   put("cam1/"),
				"the folder of a day":        put("cam1/2026/11/25"),
				"another ending":             put("cam1" + strings.TrimSuffix(stamp, "ts") + "mp4"),
				"a date that does not exist": put("cam1/2026/02/30/00/00/00.ts"),
				"the far past":               put(segment.Key("cam1", p.now.Add(-registry.DefaultBackFill-time.Minute))),
				"the year 0":                 put("cam1/0000/01/01/00/00/00.ts"),
				"the far future":             put(segment.Key("cam1", p.now.Add(registry.MaxAhead+time.Minute))),
				"the year 9999":              put("cam1/9999/12/31/23/59/59.ts"),
				// what is stored
				"over its own old footage":   put(over),
				"the same with two slashes":  put(strings.Replace(over, "/", "//", 1)),
				"over it, if it matches":     with(put(over), func(r *raw) { r.headers = map[string]string{"if-match": "*"} }),
				"over it, empty":             with(put(over), func(r *raw) { r.body = "" }),
				"other tags":                 with(put(over), func(r *raw) { r.query, r.body = "tagging=", "<Tagging><TagSet/></Tagging>" }),
				"an ACL":                     with(put(over), func(r *raw) { r.query = "acl=" }),
				"a hold":                     with(put(over), func(r *raw) { r.query = "legal-hold=" }),
				"a retention":                with(put(over), func(r *raw) { r.query = "retention=" }),
				"a copy of another camera's": copied("/video/" + p.old("cam2")),
				"a copy of its own":          copied("/video/" + over),
				"a part that is a copy":      with(copied("/video/"+p.old("cam2")), func(r *raw) { r.query = "partNumber=1&uploadId=x" }),
				// other operations
				"GET its own":        with(put(over), func(r *raw) { r.method, r.body = "GET", "" }),
				"GET another":        with(put(p.old("cam2")), func(r *raw) { r.method, r.body = "GET", "" }),
				"HEAD its own":       with(put(over), func(r *raw) { r.method, r.body = "HEAD", "" }),
				"DELETE its own":     with(put(over), func(r *raw) { r.method, r.body = "DELETE", "" }),
				"GET its attributes": with(put(over), func(r *raw) { r.method, r.body, r.query = "GET", "", "attributes=" }),
				"GET its tags":       with(put(over), func(r *raw) { r.method, r.body, r.query = "GET", "", "tagging=" }),
				"list its own":       with(at("/video"), func(r *raw) { r.method, r.body, r.query = "GET", "", "list-type=2&prefix=cam1%2F" }),
				"list the buckets":   with(at("/"), func(r *raw) { r.method, r.body = "GET", "" }),
				"begin parts":        with(put("cam1"+stamp), func(r *raw) { r.method, r.body, r.query = "POST", "", "uploads=" }),
				"a part":             with(put("cam1"+stamp), func(r *raw) { r.query = "partNumber=1&uploadId=1" }),
				"end parts": with(put("cam1"+stamp), func(r *raw) {
					r.method, r.query = "POST", "uploadId=1"
					r.body = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"
				}),
				"select":  with(put(over), func(r *raw) { r.method, r.query = "POST", "select=&select-type=2" }),
				"restore": with(put(over), func(r *raw) { r.method, r.query = "POST", "restore=" }),
				"delete many": with(at("/video"), func(r *raw) {
					r.method, r.query, r.body = "POST", "delete=", "<Delete><Object><Key>"+over+"</Key></Object></Delete>"
				}),
				"a form": with(at("/video"), func(r *raw) {
					r.method = "POST"
					r.headers = map[string]string{"content-type": "multipart/form-data; boundary=x"}
				}),
				"make a bucket":     with(at("/another"), func(r *raw) { r.body = "" }),
				"delete the bucket": with(at("/video"), func(r *raw) { r.method, r.body = "DELETE", "" }),
				"a bucket policy":   with(at("/video"), func(r *raw) { r.query, r.body = "policy=", "{}" }),
				"the bucket's ACL":  with(at("/video"), func(r *raw) { r.query = "acl=" }),
				"rename": with(put("cam1"+stamp), func(r *raw) {
					r.query, r.headers = "renameObject=", map[string]string{"x-amz-rename-source": "/video/" + over}
				}),
				"append":          with(put(over), func(r *raw) { r.headers = map[string]string{"x-amz-write-offset-bytes": "10"} }),
				"a user":          with(at("/create-user"), func(r *raw) { r.method = "PATCH" }),
				"a presigned GET": with(put(over), func(r *raw) { r.method, r.body = "GET", ""; r.query = r.presigned(p.addr) }),
				"a presigned PUT": with(put("cam1"+stamp), func(r *raw) { r.query = r.presigned(p.addr) }),
				"a wrong secret":  with(put("cam1"+stamp), func(r *raw) { r.secret += "x" }),
				"too much": with(put("cam1"+stamp), func(r *raw) {
					r.length = registry.DefaultMaxObject + 1
					r.payload = "UNSIGNED-PAYLOAD"
					r.body = strings.Repeat("x", 100_000)
				}),
				"too much in chunks": with(put("cam1"+stamp), func(r *raw) {
					r.payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
					r.headers = map[string]string{"x-amz-decoded-content-length": fmt.Sprint(registry.DefaultMaxObject + 1), "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
				}),
				"more than announced": with(put("cam1"+stamp), func(r *raw) {
					r.payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
					r.headers = map[string]string{"x-amz-decoded-content-length": "3", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
					r.body = "4\r\nevil\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
				}),
			}
			for name, r := range tests {
				got := r.send(t, p.addr)
				if got.status < 400 || got.status >= 500 && got.code != "NotImplemented" {
					t.Errorf("%s: %d %s", name, got.status, got.code)
				}
				if (got.code == "SignatureDoesNotMatch") != (name == "a wrong secret") { // otherwise it proves nothing
					t.Errorf("%s: %d %s", name, got.status, got.code)
				}
				if strings.Contains(got.body, "secret of") || strings.Contains(got.body, p.root) {
					t.Errorf("%s: the answer tells %.200s", name, got.body)
				}
			}
			p.unchanged(t, before, "attacks")

			// The key is not broken by all that: the camera's own way goes on.
			for name, r := range map[string]raw{
				"a segment of now":            put("cam1" + stamp),
				"two slashes":                 put("cam1/" + strings.TrimPrefix(p.fresh("cam1", 6), "cam1")),
				"a repetition":                put("cam1" + stamp),
				"back-fill of 30 days ago":    put(segment.Key("cam1", p.now.AddDate(0, 0, -30))),
				"a clock 10 minutes ahead":    put(segment.Key("cam1", p.now.Add(10*time.Minute))),
				"with tags and a condition":   with(put(p.fresh("cam1", 7)), func(r *raw) { r.headers = map[string]string{"x-amz-tagging": "a=b", "if-none-match": "*"} }),
				"the largest object, at once": with(put(p.fresh("cam1", 8)), func(r *raw) { r.body = strings.Repeat("x", registry.DefaultMaxObject) }),
			} {
				if got := r.send(t, p.addr); got.status != 200 {
					t.Errorf("%s: %d %.300s", name, got.status, got.body)
				}
			}
			if err := p.reg.Disable("cam1", true); err != nil {
				t.Fatal(err)
			}
			if got := put(p.fresh("cam1", 9)).send(t, p.addr); got.status != 403 || got.code != "InvalidAccessKeyId" {
				t.Errorf("a disabled camera: %d %s", got.status, got.code)
			}
		})
	}
}

// The server's clock was set back, or ahead, since a segment was stored: what seems to be from the future is no newer than what is old.
func TestTheGraceWindowAfterAStepOfTheClock(t *testing.T) {
	p, as := hunted(t, false)
	for _, tt := range []struct {
		age  time.Duration
		want int
	}{
		{registry.DefaultGrace + time.Minute, 412}, {registry.DefaultGrace - time.Minute, 200}, {time.Second, 200},
		{-registry.DefaultGrace - time.Minute, 412}, {-time.Hour, 412}, {-20 * 365 * 24 * time.Hour, 412},
	} {
		then := time.Now().Add(-tt.age)
		if err := os.Chtimes(filepath.Join(p.root, p.old("cam1")), then, then); err != nil {
			t.Fatal(err)
		}
		r := as
		r.path, r.body = "/video/"+p.old("cam1"), "evil"
		if got := r.send(t, p.addr); got.status != tt.want {
			t.Errorf("stored %v ago: %d %s, want %d", tt.age, got.status, got.code, tt.want)
		}
	}
}

// An authority that is gone is not replaced by another, whom no camera knows.
func TestALostAuthority(t *testing.T) {
	dir := t.TempDir()
	open := func() *registry.Registry {
		r, err := registry.Open(registry.Config{Dir: dir, Bucket: "video"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for id, certificate := range map[string]bool{"door": true, "yard": false} {
		if _, err := open().Add(registry.AddOptions{ID: id, Certificate: certificate}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "ca", "ca.pem")
	if err := os.Rename(path, path+"~"); err != nil {
		t.Fatal(err)
	}
	_, err := registry.OpenAuthority(dir, time.Now())
	_, addErr := open().Add(registry.AddOptions{ID: "shed", Certificate: true})
	_, rotateErr := open().Rotate("door", 0)
	for name, err := range map[string]error{"open": err, "add": addErr, "rotate": rotateErr} {
		if err == nil || !strings.Contains(err.Error(), "door") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("another one was made: %v", err)
	}
	if _, err := open().Rotate("yard", 0); err != nil { // a key pair needs none
		t.Error(err)
	}
	if err := open().Remove("door"); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.OpenAuthority(dir, time.Now()); err != nil {
		t.Errorf("when nobody has a certificate of it: %v", err)
	}
}

func TestUnknownKeysAndWrongTokens(t *testing.T) {
	p, as := hunted(t, true)
	q, other := hunted(t, true) // another server: its own master key
	_ = q
	key := "/video/" + p.fresh("cam1", 3)
	for _, tt := range []struct {
		name   string
		change func(*raw)
		status int
		code   string
	}{
		{"good", func(*raw) {}, 200, ""},
		{"an unknown key", func(r *raw) { r.key, r.token = "S3CAM000000000000000", "" }, 403, "InvalidAccessKeyId"},
		{"no token", func(r *raw) { r.token = "" }, 403, "InvalidAccessKeyId"},
		{"a wrong token", func(r *raw) { r.token = "x.y" }, 400, "InvalidToken"},
		{"a token of another server", func(r *raw) { *r = other }, 400, "InvalidToken"},
		{"a key that does not belong to the token", func(r *raw) { r.key = other.key }, 400, "InvalidToken"},
		{"a token and a secret that do not belong together", func(r *raw) { r.secret = other.secret }, 403, "SignatureDoesNotMatch"},
	} {
		r := as
		tt.change(&r)
		r.path, r.body = key, "x"
		if got := r.send(t, p.addr); got.status != tt.status || got.code != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.name, got.status, got.code, tt.status, tt.code)
		}
	}
}

// Every operation that the SDK of AWS has for S3, by reflection: none but PutObject succeeds, and nothing changes.
func TestAStolenKeyInTheSDK(t *testing.T) {
	p, as := hunted(t, false)
	before := p.files(t)
	client := s3.New(s3.Options{BaseEndpoint: aws.String("http://" + p.addr), Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(as.key, as.secret, "")})
	value, tried := reflect.ValueOf(client), 0
	for i := range value.NumMethod() {
		method := value.Type().Method(i)
		f := value.Method(i)
		if f.Type().NumIn() != 3 || !f.Type().IsVariadic() || method.Name == "PutObject" || f.Type().In(1).Kind() != reflect.Pointer {
			continue
		}
		for _, camera := range []string{"cam1", "cam2"} {
			in := reflect.New(f.Type().In(1).Elem())
			fillInput(in.Elem(), p.old(camera))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			out := f.Call([]reflect.Value{reflect.ValueOf(ctx), in})
			cancel()
			err, _ := out[1].Interface().(error)
			var api smithy.APIError
			switch {
			case err == nil && method.Name == "DeleteObjects": // 200 with an error for each key
				if res := out[0].Interface().(*s3.DeleteObjectsOutput); len(res.Deleted) != 0 || len(res.Errors) == 0 {
					t.Errorf("%s: %+v", method.Name, res)
				}
			case err == nil:
				t.Errorf("%s of %s succeeds", method.Name, camera)
			case errors.As(err, &api):
				tried++
			}
		}
	}
	p.unchanged(t, before, "operations of the SDK")
	if tried < 120 {
		t.Errorf("only %d calls reached the server", tried)
	}
	t.Logf("%d calls were refused by the server", tried)
	key := p.fresh("cam1", 2)
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("video"), Key: &key, Body: bytes.NewReader([]byte("x")), Tagging: aws.String("a=b")}); err != nil {
		t.Errorf("PutObject of its own: %v", err)
	}
}

// fillInput sets what an operation may require.
func fillInput(in reflect.Value, key string) {
	for name, v := range map[string]any{"Bucket": "video", "Key": key, "CopySource": "video/" + key, "UploadId": "1", "RenameSource": "video/" + key,
		"Id": "1", "Policy": "{}", "Expression": "SELECT *", "RequestRoute": "r", "RequestToken": "t", "Account": "1", "Name": "n"} {
		f := in.FieldByName(name)
		if s, ok := v.(string); ok && f.IsValid() && f.Type() == reflect.TypeFor[*string]() {
			f.Set(reflect.ValueOf(&s))
		}
	}
	one := int32(1)
	if f := in.FieldByName("PartNumber"); f.IsValid() && f.Type() == reflect.TypeFor[*int32]() {
		f.Set(reflect.ValueOf(&one))
	}
	if f := in.FieldByName("Delete"); f.IsValid() {
		f.Set(reflect.ValueOf(&types.Delete{Objects: []types.ObjectIdentifier{{Key: &key}}}))
	}
	if f := in.FieldByName("ObjectAttributes"); f.IsValid() {
		f.Set(reflect.ValueOf([]types.ObjectAttributes{types.ObjectAttributesEtag}))
	}
	for i := range in.NumField() { // documents that must be there
		f := in.Field(i)
		if f.Kind() == reflect.Pointer && f.IsNil() && f.CanSet() && f.Type().Elem().Kind() == reflect.Struct && f.Type().Elem() != reflect.TypeFor[time.Time]() {
			f.Set(reflect.New(f.Type().Elem()))
		}
	}
}
