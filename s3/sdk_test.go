// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/s3"
)

// sdkFor returns the AWS SDK's client of the same server: a second, independent S3 client.
func sdkFor(f *fakeS3) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(f.server.URL), UsePathStyle: true, Region: f.region, HTTPClient: f.server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, f.token),
	})
}

func TestAgreesWithTheSDK(t *testing.T) {
	f := newFake(t)
	f.token = "session"
	ours, _ := f.client()
	theirs := sdkFor(f)
	ctx := context.Background()
	for i, key := range oddKeys {
		data := bytes.Repeat([]byte{byte(i)}, 1000*i)
		if i%2 == 0 {
			if _, err := ours.Put(ctx, key, bytes.NewReader(data), int64(len(data)), s3.PutOptions{}); err != nil {
				t.Fatalf("our Put(%q): %v", key, err)
			}
		} else if _, err := theirs.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(data)}); err != nil {
			t.Fatalf("their PutObject(%q): %v", key, err)
		}
		out, err := theirs.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
		if err != nil {
			t.Fatalf("their GetObject(%q): %v", key, err)
		}
		theirData, _ := io.ReadAll(out.Body)
		out.Body.Close()
		obj, err := ours.Get(ctx, key, s3.GetOptions{})
		if err != nil {
			t.Fatalf("our Get(%q): %v", key, err)
		}
		ourData, _ := io.ReadAll(obj.Body)
		obj.Body.Close()
		if !bytes.Equal(theirData, data) || !bytes.Equal(ourData, data) {
			t.Errorf("%q: we read %d bytes, they %d, want %d", key, len(ourData), len(theirData), len(data))
		}
	}

	for _, q := range []struct {
		prefix, after string
		page          int32
	}{{"", "", 1000}, {"", "", 2}, {"a", "", 1}, {"", "dots/", 3}, {"dots/", "", 1}} {
		var want, got []string
		pages := sdk.NewListObjectsV2Paginator(theirs, &sdk.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(q.prefix), StartAfter: aws.String(q.after), MaxKeys: aws.Int32(q.page)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				want = append(want, fmt.Sprint(*o.Key, " ", *o.Size))
			}
		}
		err := ours.List(ctx, q.prefix, q.after, int(q.page), func(key []byte, size int64) bool {
			got = append(got, fmt.Sprint(string(key), " ", size))
			return true
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("List(%+v) = %q, %v, want %q", q, got, err, want)
		}
	}
}

// TestPresignedURLsEqualTheSDKs: the parameters and the signature are the same but for x-id, which the SDK adds.
func TestPresignedURLsEqualTheSDKs(t *testing.T) {
	f := newFake(t)
	f.token = "session/+="
	ours, _ := f.client()
	ctx := context.Background()
	for _, key := range oddKeys {
		presigned, err := sdk.NewPresignClient(sdkFor(f)).PresignGetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}, sdk.WithPresignExpires(900*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := url.Parse(presigned.URL)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("20060102T150405Z", theirs.Query().Get("X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := ours.Presigner(ctx, at, 900*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		mine, err := url.Parse(string(p.AppendGet(nil, key)))
		if err != nil {
			t.Fatal(err)
		}
		if mine.EscapedPath() != theirs.EscapedPath() || mine.Host != theirs.Host || mine.Scheme != theirs.Scheme {
			t.Errorf("%q: %s, want %s", key, mine, theirs)
		}
		a, b := mine.Query(), theirs.Query()
		a.Del("X-Amz-Signature") // with x-id the text that is signed differs; internal/sigv4 compares signatures
		b.Del("X-Amz-Signature")
		b.Del("x-id")
		if a.Encode() != b.Encode() {
			t.Errorf("%q: %s, want %s", key, a.Encode(), b.Encode())
		}
	}
}

func TestNothingSecretIsLoggedOrReturned(t *testing.T) {
	const token = "hush-hush-token"
	var log bytes.Buffer
	f := newFake(t)
	f.token = token
	c, _ := f.client(func(cfg *s3.Config) { cfg.Logger = testLogger(&log) })
	f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		return answerError([]int{500, 403, 301}[n%3], "SignatureDoesNotMatch")(n, w, r)
	}
	for _, op := range operations {
		for range 3 {
			err := op.run(context.Background(), c)
			fmt.Fprintf(&log, "%v %+v %#v\n", err, err, err)
		}
	}
	for _, secret := range []string{token, secretKey, "Signature="} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q leaked: %s", secret, log.String())
		}
	}
}
