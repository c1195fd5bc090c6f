// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// bucketOfSegments answers ListObjectsV2 as AWS writes it, from memory: one camera with a segment every 3 s.
type bucketOfSegments struct {
	keys  []string // rising
	mu    sync.Mutex
	pages map[string][]byte
}

func newBucket(camera string, start time.Time, n int) *bucketOfSegments {
	b := &bucketOfSegments{pages: map[string][]byte{}}
	for i := range n {
		b.keys = append(b.keys, segment.Key(camera, start.Add(time.Duration(i)*3*time.Second)))
	}
	return b
}

// RoundTrip renders each distinct listing once, so that what is measured is the client.
func (b *bucketOfSegments) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	id := q.Get("prefix") + "|" + q.Get("start-after") + "|" + q.Get("continuation-token") + "|" + q.Get("max-keys") + "|" + q.Get("encoding-type")
	b.mu.Lock()
	page, ok := b.pages[id]
	if !ok {
		page = b.render(q)
		b.pages[id] = page
	}
	b.mu.Unlock()
	return &http.Response{StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/xml"}}, ContentLength: int64(len(page)), Body: io.NopCloser(bytes.NewReader(page))}, nil
}

func (b *bucketOfSegments) render(q url.Values) []byte {
	limit, _ := strconv.Atoi(q.Get("max-keys"))
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	escape := func(s string) string { return s }
	if q.Get("encoding-type") == "url" {
		escape = url.QueryEscape
	}
	var body bytes.Buffer
	n, last, more := 0, "", false
	for _, k := range b.keys {
		if k <= after || len(k) < len(q.Get("prefix")) || k[:len(q.Get("prefix"))] != q.Get("prefix") {
			continue
		}
		if n == limit {
			more = true
			break
		}
		fmt.Fprintf(&body, `<Contents><Key>%s</Key><LastModified>2026-11-25T09:30:06.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>1912344</Size><StorageClass>STANDARD</StorageClass></Contents>`, escape(k))
		n, last = n+1, k
	}
	token := ""
	if more {
		token = "<NextContinuationToken>" + last + "</NextContinuationToken>"
	}
	return []byte(fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>%s</Name><Prefix>%s</Prefix><StartAfter>%s</StartAfter>%s<KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys><IsTruncated>%v</IsTruncated>%s</ListBucketResult>`,
		benchBucket, escape(q.Get("prefix")), escape(q.Get("start-after")), token, n, limit, more, body.String()))
}

func benchClient(rt http.RoundTripper) (*s3.Client, error) {
	return s3.New(s3.Config{Region: benchRegion, Bucket: benchBucket, Transport: rt,
		Credentials: s3.Static(benchAccess, benchSecret, "")})
}

// reportList compares one ListObjectsV2 page of 1000 keys: request, signature and reading of the reply.
func reportList(g *goals) error {
	day := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	bucket := newBucket("front-door", day, 1000)
	ours, err := benchClient(bucket)
	if err != nil {
		return err
	}
	theirs := awss3.New(awss3.Options{Region: benchRegion, HTTPClient: &http.Client{Transport: bucket},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: benchAccess, SecretAccessKey: benchSecret}, nil
		})})
	prefix := segment.DayFolder("front-door", day)
	results := interleave(9, 20,
		candidate{"s3cam", func() {
			n := 0
			if err := ours.List(context.Background(), prefix, "", 1000, func([]byte, int64) bool { n++; return true }); err != nil || n != 1000 {
				panic(fmt.Sprint(n, err))
			}
		}},
		candidate{"aws-sdk-go-v2", func() {
			o, err := theirs.ListObjectsV2(context.Background(), &awss3.ListObjectsV2Input{Bucket: aws.String(benchBucket), Prefix: aws.String(prefix)})
			if err != nil || len(o.Contents) != 1000 {
				panic(fmt.Sprint(err))
			}
		}})
	fmt.Fprintf(g.out, "\nListObjectsV2, one page of 1000 keys (transport answers from memory)\n  %-20s %12s %14s\n", "client", "CPU ms", "allocs")
	for _, r := range results {
		fmt.Fprintf(g.out, "  %-20s %12.3f %14.0f\n", r.name, r.cpu.Seconds()*1e3, r.allocs)
	}
	g.atMost("list page: CPU against aws-sdk-go-v2", results[0].cpu.Seconds()/results[1].cpu.Seconds(), 1.0/25, "x")
	return nil
}
