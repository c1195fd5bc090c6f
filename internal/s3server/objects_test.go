// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const segmentKey = "cam1/2026/01/02/03/04/05.ts"

func crc32c(s string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli)))
	return base64.StdEncoding.EncodeToString(b[:])
}

func randomBytes(n int, seed uint64) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return string(b)
}

func TestObjectRoundTrip(t *testing.T) {
	tg := newTarget(t)
	ctx := context.Background()
	for _, tt := range []struct {
		name, key string
		size      int
	}{
		{"an empty object", "empty.ts", 0},
		{"one byte", "one.ts", 1},
		{"a segment", segmentKey, 1_900_000},
		{"more than the server reads at once", "big.ts", 9<<20 + 17},
		{"a key with every character that needs encoding", "a b+c=d&e?f%g#h:i@j,k;l'm(n)o!p*q~r$s[t]u{v}w|x^y`z\"<>\\.ts", 100},
		{"a key beyond ASCII", "камера/門口/äöü-🎥.ts", 100},
		{"a key that looks encoded", "%41%2F/x%20y.ts", 100},
		{"a deep key", strings.Repeat("d/", 200) + "x", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, body := tg.prefix+tt.key, randomBytes(tt.size, 1)
			before := time.Now().Add(-2 * time.Second)
			put, err := tg.sdk.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &tg.bucket, Key: &key, Body: strings.NewReader(body), ContentType: aws.String("video/mp2t"),
				Metadata: map[string]string{"seq": "42"},
			})
			if err != nil {
				t.Fatalf("put: %v", err)
			}
			got, err := tg.sdk.GetObject(ctx, &s3.GetObjectInput{Bucket: &tg.bucket, Key: &key})
			if err != nil {
				t.Fatalf("get: %v", err)
			}
			defer got.Body.Close()
			if b, err := io.ReadAll(got.Body); err != nil || string(b) != body {
				t.Errorf("get: %d bytes, %v, want the %d that were put", len(b), err, len(body))
			}
			head, err := tg.sdk.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &tg.bucket, Key: &key})
			if err != nil {
				t.Fatalf("head: %v", err)
			}
			if *head.ContentLength != int64(tt.size) || *head.ContentType != "video/mp2t" || head.Metadata["seq"] != "42" {
				t.Errorf("head: length %d, type %q, metadata %v", *head.ContentLength, *head.ContentType, head.Metadata)
			}
			if *put.ETag == "" || *put.ETag != *got.ETag || *got.ETag != *head.ETag {
				t.Errorf("etag: put %s, get %s, head %s, want one", *put.ETag, *got.ETag, *head.ETag)
			}
			if at := *head.LastModified; at.Before(before) || at.After(time.Now().Add(2*time.Second)) {
				t.Errorf("last modified %v, want about now", at)
			}
			if keys := tg.keys(t); len(keys) != 1 || keys[0] != tt.key {
				t.Errorf("listed as %q, want %q", keys, tt.key)
			}
			for range 2 { // deleting what is gone succeeds as well
				if _, err := tg.sdk.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &tg.bucket, Key: &key}); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			var notFound *types.NoSuchKey
			if _, err := tg.sdk.GetObject(ctx, &s3.GetObjectInput{Bucket: &tg.bucket, Key: &key}); !errors.As(err, &notFound) {
				t.Errorf("get after delete: %v, want NoSuchKey", err)
			}
		})
	}
	if keys := tg.keys(t); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}
}

func TestOverwriteReplacesTheObject(t *testing.T) {
	tg := newTarget(t)
	for i, body := range []string{randomBytes(5000, 1), "short", ""} {
		tg.put(t, segmentKey, body)
		res := tg.do(t, rawRequest{method: "GET", path: tg.path(segmentKey)})
		if res.status != 200 || res.body != body {
			t.Errorf("after put %d: %d, %d bytes, want %d", i, res.status, len(res.body), len(body))
		}
	}
	if keys := tg.keys(t); len(keys) != 1 {
		t.Errorf("keys %q, want one", keys)
	}
}

// TestPutIsVerified covers every way to vouch for a body. A refused one must not be stored, nor replace what is there.
func TestPutIsVerified(t *testing.T) {
	const body = "0123456789"
	for _, tt := range []struct {
		name   string
		req    rawRequest
		status int
		code   string
	}{
		{"the real SHA-256", rawRequest{}, 200, ""},
		{"another SHA-256", rawRequest{payload: hexHash("x")}, 400, "XAmzContentSHA256Mismatch"},
		{"no hash, no checksum", rawRequest{payload: "UNSIGNED-PAYLOAD"}, 200, ""},
		{"the right CRC32C", rawRequest{payload: "UNSIGNED-PAYLOAD", headers: map[string]string{"x-amz-checksum-crc32c": crc32c(body)}}, 200, ""},
		{"a wrong CRC32C", rawRequest{payload: "UNSIGNED-PAYLOAD", headers: map[string]string{"x-amz-checksum-crc32c": crc32c("x")}}, 400, "BadDigest"},
		{"a wrong CRC32C beside the real SHA-256", rawRequest{headers: map[string]string{"x-amz-checksum-crc32c": crc32c("x")}}, 400, "BadDigest"},
		{"a CRC32C that is none", rawRequest{headers: map[string]string{"x-amz-checksum-crc32c": "!"}}, 400, "InvalidRequest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tg := newTarget(t)
			tg.put(t, "old.ts", "old")
			for _, key := range []string{"new.ts", "old.ts"} {
				r := tt.req
				r.method, r.path, r.body = "PUT", tg.path(key), body
				res := tg.do(t, r)
				if res.status != tt.status || res.code != tt.code {
					t.Errorf("%s: %d %s %s, want %d %s", key, res.status, res.code, res.body, tt.status, tt.code)
				}
			}
			want := map[bool]string{true: "new.ts old.ts", false: "old.ts"}[tt.status == 200]
			if got := strings.Join(tg.keys(t), " "); got != want {
				t.Errorf("stored %q, want %q", got, want)
			}
			wantOld := map[bool]string{true: body, false: "old"}[tt.status == 200]
			if got := tg.do(t, rawRequest{method: "GET", path: tg.path("old.ts")}).body; got != wantOld {
				t.Errorf("old.ts = %q, want %q", got, wantOld)
			}
		})
	}
}

func TestCutBodyLeavesNothing(t *testing.T) {
	body := randomBytes(1_900_000, 2)
	for _, tt := range []struct {
		name string
		req  rawRequest
	}{
		{"signed payload", rawRequest{}},
		{"unsigned payload with CRC32C", rawRequest{payload: "UNSIGNED-PAYLOAD", headers: map[string]string{"x-amz-checksum-crc32c": crc32c(body)}}},
		{"unsigned payload and nothing else", rawRequest{payload: "UNSIGNED-PAYLOAD"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tg := newTarget(t)
			files := openFiles(t)
			for i := range 30 {
				r := tt.req
				r.method, r.path, r.body = "PUT", tg.path(segmentKey), body
				r.cut = 1 + i*len(body)/31
				c, err := tg.dial()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tg.send(c, nil, r); err != nil {
					t.Errorf("cut %d: %v", r.cut, err)
				}
				// Half-closed, so that the server's answer, after which nothing more happens, can be awaited.
				if h, ok := c.(interface{ CloseWrite() error }); ok {
					_ = h.CloseWrite()
				}
				if answer, _ := io.ReadAll(c); bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
					t.Errorf("cut after %d of %d bytes: answered %.40q", r.cut, len(body), answer)
				}
				_ = c.Close()
			}
			if keys := tg.keys(t); len(keys) != 0 {
				t.Errorf("stored: %q", keys)
			}
			tg.needEmbedded(t)
			if now := openFiles(t); now > files+4 {
				t.Errorf("open files: %d before, %d after 30 cut PUTs", files, now)
			}
			if left := filesBelow(t, tg); len(left) != 0 {
				t.Errorf("left in the bucket's directory: %q", left)
			}
		})
	}
}

func TestIfNoneMatch(t *testing.T) {
	tg := newTarget(t)
	put := func(body string) rawResponse {
		return tg.do(t, rawRequest{method: "PUT", path: tg.path(segmentKey), body: body, headers: map[string]string{"if-none-match": "*"}})
	}
	if res := put("first"); res.status != 200 {
		t.Fatalf("first: %d %s", res.status, res.body)
	}
	if res := put("second"); res.status != 412 || res.code != "PreconditionFailed" {
		t.Errorf("second: %d %s, want 412 PreconditionFailed", res.status, res.code)
	}
	if got := tg.do(t, rawRequest{method: "GET", path: tg.path(segmentKey)}).body; got != "first" {
		t.Errorf("object is %q, want the first", got)
	}
}

func TestConcurrentConditionalPutsHaveOneWinner(t *testing.T) {
	tg := newTarget(t)
	for round := range 5 {
		key := tg.path("race" + string(rune('0'+round)) + "/" + segmentKey)
		var won, lost atomic.Int32
		var winner atomic.Value
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 16 {
			wg.Go(func() {
				body := randomBytes(100_000, uint64(i))
				<-start
				res := tg.do(t, rawRequest{method: "PUT", path: key, body: body, headers: map[string]string{"if-none-match": "*"}})
				switch {
				case res.status == 200:
					won.Add(1)
					winner.Store(body)
				case res.status == 412 || res.status == 409: // 409 is S3's "a conflicting operation is under way"
					lost.Add(1)
				default:
					t.Errorf("%d %s", res.status, res.body)
				}
			})
		}
		close(start)
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Fatalf("round %d: %d won, %d lost, want 1 and 15", round, won.Load(), lost.Load())
		}
		if got := tg.do(t, rawRequest{method: "GET", path: key}).body; got != winner.Load() {
			t.Errorf("round %d: the object is not the winner's", round)
		}
	}
}

func TestTags(t *testing.T) {
	tg := newTarget(t)
	ctx := context.Background()
	key := tg.prefix + segmentKey
	res := tg.do(t, rawRequest{method: "PUT", path: tg.path(segmentKey), body: "x", headers: map[string]string{"x-amz-tagging": "event=motion&zone=front%20door"}})
	if res.status != 200 {
		t.Fatalf("put: %d %s", res.status, res.body)
	}
	tags := func() map[string]string {
		t.Helper()
		out, err := tg.sdk.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &tg.bucket, Key: &key})
		if err != nil {
			t.Fatalf("get tagging: %v", err)
		}
		m := map[string]string{}
		for _, tag := range out.TagSet {
			m[*tag.Key] = *tag.Value
		}
		return m
	}
	if m := tags(); len(m) != 2 || m["event"] != "motion" || m["zone"] != "front door" {
		t.Errorf("tags %v", m)
	}
	_, err := tg.sdk.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &tg.bucket, Key: &key, Tagging: &types.Tagging{
		TagSet: []types.Tag{{Key: aws.String("keep"), Value: aws.String("yes")}},
	}})
	if m := tags(); err != nil || len(m) != 1 || m["keep"] != "yes" {
		t.Errorf("after put tagging: %v, %v", m, err)
	}
	tg.put(t, segmentKey, "overwritten without tags")
	if m := tags(); len(m) != 0 {
		t.Errorf("an overwrite kept the tags %v", m)
	}
	for _, bad := range []string{"a=1&a=2", "k=" + strings.Repeat("v", 257), strings.Repeat("k", 129) + "=v", "a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10&k=11"} {
		res := tg.do(t, rawRequest{method: "PUT", path: tg.path("bad.ts"), body: "x", headers: map[string]string{"x-amz-tagging": bad}})
		if res.status != 400 {
			t.Errorf("tags %.30q: %d, want 400", bad, res.status)
		}
	}
}

func TestRanges(t *testing.T) {
	tg := newTarget(t)
	const body = "0123456789"
	tg.put(t, "ten", body)
	for _, tt := range []struct {
		rang   string
		status int
		want   string
		cr     string
	}{
		{"bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"bytes=2-5", 206, "2345", "bytes 2-5/10"},
		{"bytes=7-", 206, "789", "bytes 7-9/10"},
		{"bytes=7-100", 206, "789", "bytes 7-9/10"},
		{"bytes=-3", 206, "789", "bytes 7-9/10"},
		{"bytes=-100", 206, body, "bytes 0-9/10"},
		{"bytes=10-", 416, "", ""},
		{"bytes=100-200", 416, "", ""},
		{"bytes=5-2", 200, body, ""}, // not a valid range: ignored
		{"lines=1-2", 200, body, ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res := tg.do(t, rawRequest{method: method, path: tg.path("ten"), headers: map[string]string{"range": tt.rang}})
			if res.status != tt.status || res.header.Get("Content-Range") != tt.cr && tt.status == 206 {
				t.Errorf("%s %s: %d %q, want %d %q", method, tt.rang, res.status, res.header.Get("Content-Range"), tt.status, tt.cr)
			}
			if method == "GET" && tt.status < 300 && res.body != tt.want {
				t.Errorf("%s: %q, want %q", tt.rang, res.body, tt.want)
			}
			if tt.status == 416 && method == "GET" && res.code != "InvalidRange" {
				t.Errorf("%s: code %q, want InvalidRange", tt.rang, res.code)
			}
		}
	}
}

func TestMultipartUpload(t *testing.T) {
	tg := newTarget(t)
	ctx := context.Background()
	key := tg.prefix + "big/" + segmentKey
	parts := []string{randomBytes(5<<20, 1), randomBytes(5<<20, 2), randomBytes(100, 3)}
	up, err := tg.sdk.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &tg.bucket, Key: &key, ContentType: aws.String("video/mp2t")})
	if err != nil {
		t.Fatal(err)
	}
	if *up.Bucket != tg.bucket || *up.Key != key {
		t.Errorf("created in %q as %q", *up.Bucket, *up.Key)
	}
	if keys := tg.keys(t); len(keys) != 0 {
		t.Errorf("visible before it is complete: %q", keys)
	}
	var done []types.CompletedPart
	for i, p := range parts {
		out, err := tg.sdk.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &tg.bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: strings.NewReader(p),
		})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(int32(i + 1)), ChecksumCRC32: out.ChecksumCRC32})
	}
	if l, err := tg.sdk.ListParts(ctx, &s3.ListPartsInput{Bucket: &tg.bucket, Key: &key, UploadId: up.UploadId}); err != nil || len(l.Parts) != 3 {
		t.Errorf("list parts: %v", err)
	}
	out, err := tg.sdk.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &tg.bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Bucket != tg.bucket || *out.Key != key {
		t.Errorf("completed in %q as %q", *out.Bucket, *out.Key)
	}
	res := tg.do(t, rawRequest{method: "GET", path: tg.path("big/" + segmentKey)})
	if res.status != 200 || res.body != strings.Join(parts, "") || res.header.Get("Content-Type") != "video/mp2t" {
		t.Errorf("get: %d, %d bytes, %s", res.status, len(res.body), res.header.Get("Content-Type"))
	}

	up, err = tg.sdk.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &tg.bucket, Key: aws.String(tg.prefix + "aborted")})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := tg.sdk.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &tg.bucket, Prefix: &tg.prefix}); err != nil || len(l.Uploads) != 1 || *l.Bucket != tg.bucket {
		t.Errorf("list uploads: %v", err)
	}
	if _, err := tg.sdk.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &tg.bucket, Key: aws.String(tg.prefix + "aborted"), UploadId: up.UploadId}); err != nil {
		t.Errorf("abort: %v", err)
	}
	if keys := tg.keys(t); len(keys) != 1 {
		t.Errorf("keys %q, want the complete one only", keys)
	}
}

func TestDeleteObjects(t *testing.T) {
	tg := newTarget(t)
	var ids []types.ObjectIdentifier
	for i := range 400 {
		key := segmentKey + string(rune('a'+i%26)) + string(rune('a'+i/26))
		tg.put(t, key, "x")
		ids = append(ids, types.ObjectIdentifier{Key: aws.String(tg.prefix + key)})
	}
	tg.put(t, "other", "x")
	ids = append(ids, types.ObjectIdentifier{Key: aws.String(tg.prefix + "missing")})
	out, err := tg.sdk.DeleteObjects(context.Background(), &s3.DeleteObjectsInput{Bucket: &tg.bucket, Delete: &types.Delete{Objects: ids}})
	if err != nil || len(out.Errors) != 0 || len(out.Deleted) != 401 {
		t.Fatalf("%v, %d deleted", err, len(out.Deleted))
	}
	if keys := tg.keys(t); len(keys) != 1 || keys[0] != "other" {
		t.Errorf("left %q, want other", keys)
	}
	if tg.embedded != nil {
		if left := filesBelow(t, tg); len(left) != 1 {
			t.Errorf("left in the directory: %q", left)
		}
	}
}

func TestMissingThings(t *testing.T) {
	tg := newTarget(t)
	for _, tt := range []struct {
		name   string
		req    rawRequest
		status int
		code   string
	}{
		{"get a missing object", rawRequest{method: "GET", path: tg.path("none")}, 404, "NoSuchKey"},
		{"head a missing object", rawRequest{method: "HEAD", path: tg.path("none")}, 404, ""},
		{"get from a missing bucket", rawRequest{method: "GET", path: "/" + tg.bucket + "-none/x"}, 404, "NoSuchBucket"},
		{"put into a missing bucket", rawRequest{method: "PUT", path: "/" + tg.bucket + "-none/x", body: "x"}, 404, "NoSuchBucket"},
		{"list a missing bucket", rawRequest{method: "GET", path: "/" + tg.bucket + "-none", query: "list-type=2"}, 404, "NoSuchBucket"},
		{"head a missing bucket", rawRequest{method: "HEAD", path: "/" + tg.bucket + "-none"}, 404, ""},
		{"head the bucket", rawRequest{method: "HEAD", path: "/" + tg.bucket}, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := tg.do(t, tt.req); res.status != tt.status || res.code != tt.code {
				t.Errorf("%d %s, want %d %s", res.status, res.code, tt.status, tt.code)
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	tg := newTarget(t)
	c, err := tg.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := randomBytes(3_000_000, 1)
	r := rawRequest{method: "PUT", path: tg.path(segmentKey), body: body, headers: map[string]string{"Expect": "100-continue"}}
	if _, err := io.WriteString(c, tg.head(r)); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, first); err != nil || !strings.HasPrefix(string(first), "HTTP/1.1 100 ") {
		t.Fatalf("first answer %q, %v", first, err)
	}
	if _, err := io.WriteString(c, body); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 200" {
		t.Errorf("final answer %q, %v", answer, err)
	}
	if res := tg.do(t, rawRequest{method: "HEAD", path: tg.path(segmentKey)}); res.header.Get("Content-Length") != "3000000" {
		t.Errorf("stored %s bytes", res.header.Get("Content-Length"))
	}
}
