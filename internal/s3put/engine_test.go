// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// engine is the embedded S3 engine, seen by the client under test and by the AWS SDK.
type engine struct {
	cfg s3put.Config
	sdk *sdk.Client
}

func plainEngine(t *testing.T) engine {
	b := s3servertest.New(t)
	return engineOf(b.URL, b.Region, b.Name(), b.AccessKey, b.SecretKey, nil)
}

func tlsEngine(t *testing.T) engine {
	t.Helper()
	authority := certtest.New(t, "test root")
	cert := valid(authority, "127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := s3server.New(s3server.Config{
		Dir: filepath.Join(dir, "data"), Addr: "127.0.0.1:0", AccessKey: accessKey, SecretKey: secretKey, Bucket: bucket,
		CertFile: certFile, KeyFile: keyFile, Durability: s3server.DurabilityNone,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return engineOf(s.URL(), s.Region(), bucket, accessKey, secretKey, authority)
}

func engineOf(endpoint, region, bucket, access, secret string, authority *certtest.Authority) engine {
	e := engine{cfg: s3put.Config{
		Endpoint: endpoint, Region: region, Bucket: bucket, PathStyle: true,
		Credentials: static(sigv4.Credentials{AccessKeyID: access, SecretAccessKey: sigv4.Secret(secret)}),
	}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if authority != nil {
		e.cfg.RootCAs = authority.Pool()
		transport.TLSClientConfig.RootCAs = authority.Pool()
	}
	e.sdk = sdk.New(sdk.Options{
		BaseEndpoint: aws.String(endpoint), UsePathStyle: true, Region: region, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
	return e
}

// TestTheEngineStoresWhatIsPut: the AWS SDK reads every object back.
func TestTheEngineStoresWhatIsPut(t *testing.T) {
	for name, e := range map[string]engine{"plain": plainEngine(t), "TLS": tlsEngine(t)} {
		c := newClient(t, e.cfg)
		for i, tt := range []struct {
			key  string
			size int
			tags string
		}{
			{"cam1/2026/03/09/04/05/06.ts", 1_900_000, ""},
			{"cam1/2026/03/09/04/05/09.ts", 188, "site=north%20gate&owner=A%2BB"},
			{"odd/ä 録画 +=&?#%41~.ts", 10_000, "k=v"},
			{"2026/03/09/04/05/06.ts", 0, ""},
		} {
			data := randomBytes(tt.size)
			o := object(tt.key, data)
			o.Tags = tt.tags
			server, err := c.Put(timeout(t), o)
			if err != nil || time.Since(server).Abs() > 5*time.Second {
				t.Fatalf("%s: Put(%q): %v, %v", name, tt.key, server, err)
			}
			got, err := e.sdk.GetObject(context.Background(), &sdk.GetObjectInput{Bucket: &e.cfg.Bucket, Key: &tt.key, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatalf("%s: GetObject(%q): %v", name, tt.key, err)
			}
			body, err := io.ReadAll(got.Body)
			got.Body.Close()
			if err != nil || !bytes.Equal(body, data) || aws.ToString(got.ContentType) != "video/mp2t" {
				t.Errorf("%s: %q: %d bytes of %s, %v", name, tt.key, len(body), aws.ToString(got.ContentType), err)
			}
			var crc [4]byte
			binary.BigEndian.PutUint32(crc[:], o.CRC32C)
			if want := base64.StdEncoding.EncodeToString(crc[:]); aws.ToString(got.ChecksumCRC32C) != want {
				t.Errorf("%s: %q: CRC32C %q, want %q", name, tt.key, aws.ToString(got.ChecksumCRC32C), want)
			}
			tags, err := e.sdk.GetObjectTagging(context.Background(), &sdk.GetObjectTaggingInput{Bucket: &e.cfg.Bucket, Key: &tt.key})
			if err != nil && tt.tags != "" {
				t.Fatalf("%s: tags of %q: %v", name, tt.key, err)
			}
			values, _ := url.ParseQuery(tt.tags)
			if tags != nil && len(tags.TagSet) != len(values) {
				t.Errorf("%s: %q: %d tags, want %d", name, tt.key, len(tags.TagSet), len(values))
			}
			for _, tag := range tagSet(tags) {
				if values.Get(*tag.Key) != *tag.Value {
					t.Errorf("%s: %q: tag %s = %q, want %q", name, tt.key, *tag.Key, *tag.Value, values.Get(*tag.Key))
				}
			}
			// Again: what is there stays.
			other := object(tt.key, randomBytes(tt.size+1))
			if _, err := c.Put(timeout(t), other); !errors.Is(err, s3put.ErrExists) {
				t.Errorf("%s: object %d once more: %v", name, i, err)
			}
		}
		if s := c.Stats(); s.Resends != 0 || name == "TLS" && s.Cipher == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func tagSet(o *sdk.GetObjectTaggingOutput) []types.Tag {
	if o == nil {
		return nil
	}
	return o.TagSet
}

func TestTheEngineRefuses(t *testing.T) {
	e := plainEngine(t)
	key := static(sigv4.Credentials{AccessKeyID: s3servertest.AccessKey, SecretAccessKey: "wrong"})
	nobody := static(sigv4.Credentials{AccessKeyID: "NOBODY", SecretAccessKey: "wrong"})
	for name, tt := range map[string]struct {
		edit func(*s3put.Config, *s3put.Object)
		want error
		code string
	}{
		"a wrong secret":         {func(c *s3put.Config, _ *s3put.Object) { c.Credentials = key }, s3put.ErrRejected, "SignatureDoesNotMatch"},
		"an unknown key":         {func(c *s3put.Config, _ *s3put.Object) { c.Credentials = nobody }, s3put.ErrRejected, "InvalidAccessKeyId"},
		"no such bucket":         {func(c *s3put.Config, _ *s3put.Object) { c.Bucket = "none" }, s3put.ErrRejected, "NoSuchBucket"},
		"a clock 20 min late":    {func(_ *s3put.Config, o *s3put.Object) { o.Time = o.Time.Add(-20 * time.Minute) }, s3put.ErrClockSkew, "RequestTimeTooSkewed"},
		"a clock 20 min early":   {func(_ *s3put.Config, o *s3put.Object) { o.Time = o.Time.Add(20 * time.Minute) }, s3put.ErrClockSkew, "RequestTimeTooSkewed"},
		"a clock of 1970":        {func(_ *s3put.Config, o *s3put.Object) { o.Time = time.Unix(0, 0) }, s3put.ErrClockSkew, ""},
		"a damaged body":         {func(_ *s3put.Config, o *s3put.Object) { o.CRC32C++ }, nil, "BadDigest"},
		"tags that are not tags": {func(_ *s3put.Config, o *s3put.Object) { o.Tags = "a=1&a=2" }, s3put.ErrRejected, ""},
	} {
		cfg, o := e.cfg, object("cam1/x.ts", randomBytes(100_000))
		tt.edit(&cfg, o)
		server, err := newClient(t, cfg).Put(timeout(t), o)
		var answer *s3put.Error
		if !errors.As(err, &answer) || answer.Class != tt.want || tt.code != "" && answer.Code != tt.code || time.Since(server).Abs() > 5*time.Second {
			t.Errorf("%s: %v, %v", name, server, err)
		}
		if _, err := e.sdk.HeadObject(context.Background(), &sdk.HeadObjectInput{Bucket: &e.cfg.Bucket, Key: &o.Key}); err == nil {
			t.Errorf("%s: the object was stored", name)
		}
	}
}

// TestClockSkewHealsInOneRoundTrip: the time that comes with the refusal signs the next try.
func TestClockSkewHealsInOneRoundTrip(t *testing.T) {
	e := plainEngine(t)
	c := newClient(t, e.cfg)
	o := object("cam1/x.ts", randomBytes(10_000))
	o.Time = time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC)
	server, err := c.Put(timeout(t), o)
	if !errors.Is(err, s3put.ErrClockSkew) {
		t.Fatal(err)
	}
	o.Time = server
	if _, err := c.Put(timeout(t), o); err != nil {
		t.Error(err)
	}
}

// TestRotationUnderLoadSpoilsNoSignature: credentials change all the time, also while requests are being built.
func TestRotationUnderLoadSpoilsNoSignature(t *testing.T) {
	f := newFake(t, nil)
	f.answer = func(_ int, w http.ResponseWriter, r *request) bool {
		if token := r.Header.Get("X-Amz-Security-Token"); !strings.Contains(r.Header.Get("Authorization"), accessKey) || token == "" {
			return says(403, "AccessDenied")(0, w, nil)
		}
		return false
	}
	var mu sync.Mutex
	now := sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: "0"}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			mu.Lock()
			now.SessionToken = sigv4.Secret(fmt.Sprint(i))
			mu.Unlock()
		}
	})
	for range 3 {
		cfg := f.config()
		cfg.Credentials = func(context.Context) (sigv4.Credentials, error) {
			mu.Lock()
			defer mu.Unlock()
			return now, nil
		}
		c := newClient(t, cfg)
		wg.Go(func() {
			for i := range 100 {
				if _, err := c.Put(timeout(t), object(fmt.Sprint(i), randomBytes(100))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	polltest.Within(time.Minute, func() bool { return len(f.seen()) >= 300 || t.Failed() })
	close(done)
	wg.Wait()
}

// TestCutUploadsStoreNothing: the caller gives up in the middle, and then tries again.
func TestCutUploadsStoreNothing(t *testing.T) {
	e := plainEngine(t)
	c := newClient(t, e.cfg)
	data := randomBytes(16 << 20) // much more than socket buffers hold
	for i := range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		o := object(fmt.Sprintf("cam1/%d.ts", i), data)
		o.Sent = func(n int) {
			if n > 100_000 {
				cancel()
			}
		}
		if _, err := c.Put(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
		if _, err := e.sdk.HeadObject(context.Background(), &sdk.HeadObjectInput{Bucket: &e.cfg.Bucket, Key: &o.Key}); err == nil {
			t.Errorf("%d: a cut object was stored", i)
		}
		o.Sent = nil
		if _, err := c.Put(timeout(t), o); err != nil {
			t.Errorf("%d, again: %v", i, err)
		}
		cancel()
	}
}
