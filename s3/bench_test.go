// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	benchBucket = "video"
	benchKey    = "cam1/2026/03/09/04/05/06.ts"
	benchAccess = "AKIAIOSFODNN7EXAMPLE"
	benchSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	segmentSize = 1_912_000 // 3 s of 5 Mbit/s
)

// listDocument is a page of n keys as AWS writes it; 1000 keys are about 315 kB.
func listDocument(n int) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>` + benchBucket + `</Name><Prefix>cam1/</Prefix><KeyCount>` +
		fmt.Sprint(n) + `</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>`)
	at := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	for i := range n {
		t := at.Add(time.Duration(i) * 3 * time.Second)
		fmt.Fprintf(&b, `<Contents><Key>cam1/%s.ts</Key><LastModified>%s</LastModified><ETag>&quot;%032x&quot;</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>`,
			t.Format("2006/01/02/15/04/05"), t.Format("2006-01-02T15:04:05.000Z"), i*7919, 1_900_000+i)
	}
	b.WriteString(`</ListBucketResult>`)
	return b.Bytes()
}

// stub answers every request with the same body and no network.
type stub struct{ body []byte }

func (s stub) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Date": {"Mon, 09 Mar 2026 04:05:06 GMT"}, "Content-Type": {"application/xml"}, "Etag": {`"e"`}}, ContentLength: int64(len(s.body)), Body: io.NopCloser(bytes.NewReader(s.body)),
	}, nil
}

func benchClient(tb testing.TB, edit func(*Config)) *Client {
	tb.Helper()
	cfg := Config{Region: "us-east-1", Bucket: benchBucket, Credentials: Static(benchAccess, benchSecret, Secret(strings.Repeat("t", 900)))}
	edit(&cfg)
	c, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func sdkClient(rt http.RoundTripper, edit func(*sdk.Options)) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(benchAccess, benchSecret, strings.Repeat("t", 900)),
		HTTPClient: &http.Client{Transport: rt},
	}, edit)
}

func BenchmarkListPage(b *testing.B) {
	doc := listDocument(1000)
	b.Run("scan", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		p := page{buf: doc}
		for b.Loop() {
			if !p.scan() || len(p.keys) != 1000 {
				b.Fatal("not scanned")
			}
		}
	})
	b.Run("s3cam", func(b *testing.B) {
		b.ReportAllocs()
		c := benchClient(b, func(cfg *Config) { cfg.Transport = stub{doc} })
		for b.Loop() {
			n := 0
			if err := c.List(context.Background(), "cam1/", "", 0, func([]byte, int64) bool { n++; return true }); err != nil || n != 1000 {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("aws-sdk", func(b *testing.B) {
		b.ReportAllocs()
		c := sdkClient(stub{doc}, func(*sdk.Options) {})
		for b.Loop() {
			out, err := c.ListObjectsV2(context.Background(), &sdk.ListObjectsV2Input{Bucket: aws.String(benchBucket), Prefix: aws.String("cam1/")})
			if err != nil || len(out.Contents) != 1000 {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	data := make([]byte, segmentSize)
	crc := uint32(0)
	b.Run("stub/s3cam", func(b *testing.B) {
		b.ReportAllocs()
		c := benchClient(b, func(cfg *Config) { cfg.Transport = stub{} })
		for b.Loop() {
			if _, err := c.PutOnce(context.Background(), benchKey, bytes.NewReader(data), segmentSize, PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, CRC32C: &crc}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stub/aws-sdk", func(b *testing.B) {
		b.ReportAllocs()
		c := sdkClient(stub{}, func(*sdk.Options) {})
		for b.Loop() {
			_, err := c.PutObject(context.Background(), &sdk.PutObjectInput{Bucket: aws.String(benchBucket), Key: aws.String(benchKey), Body: bytes.NewReader(data), ContentType: aws.String("video/mp2t"), IfNoneMatch: aws.String("*")})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPutLoopback sends over loopback to a server in this process that only reads. The difference to net/http alone is
// the signature, the checksum (CRC32C; over http also SHA-256), and what writing the body directly saves.
func BenchmarkPutLoopback(b *testing.B) {
	data := make([]byte, segmentSize)
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	for _, config := range []*tls.Config{nil, {Certificates: certificate.TLS.Certificates}} {
		url := rawSink(b, config)
		clientTLS := certificate.Client().Transport.(*http.Transport).TLSClientConfig
		b.Run(url[:5]+"/s3cam", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(segmentSize)
			c := benchClient(b, func(cfg *Config) { cfg.Endpoint, cfg.PathStyle, cfg.RootCAs = url, true, clientTLS.RootCAs })
			defer c.Close()
			for b.Loop() {
				if _, err := c.PutOnce(context.Background(), benchKey, bytes.NewReader(data), segmentSize, PutOptions{ContentType: "video/mp2t", IfNoneMatch: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(url[:5]+"/net-http", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(segmentSize)
			rt := &http.Transport{TLSClientConfig: clientTLS.Clone()}
			defer rt.CloseIdleConnections()
			for b.Loop() {
				req, err := http.NewRequest("PUT", url+"/"+benchBucket+"/"+benchKey, bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				resp, err := rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
}

func BenchmarkPresign(b *testing.B) {
	at := time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC)
	b.Run("s3cam", func(b *testing.B) {
		b.ReportAllocs()
		c := benchClient(b, func(*Config) {})
		p, err := c.Presigner(context.Background(), at, 900*time.Second)
		if err != nil {
			b.Fatal(err)
		}
		var buf []byte
		for b.Loop() {
			buf = p.AppendGet(buf[:0], benchKey)
		}
	})
	b.Run("aws-sdk", func(b *testing.B) {
		b.ReportAllocs()
		p := sdk.NewPresignClient(sdkClient(stub{}, func(*sdk.Options) {}))
		for b.Loop() {
			_, err := p.PresignGetObject(context.Background(), &sdk.GetObjectInput{Bucket: aws.String(benchBucket), Key: aws.String(benchKey)}, sdk.WithPresignExpires(900*time.Second))
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
