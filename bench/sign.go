// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/s3cam/s3cam/s3"
)

const (
	benchAccess = "AKIAIOSFODNN7EXAMPLE"
	benchSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	benchKey    = "front-door/2026/11/25/09/30/03.ts"
	benchBucket = "ipc-video-bucket-123456789012-0a1b2c3d"
	benchRegion = "eu-central-1"
)

// reportPresign compares presigned GET URLs with a 900-byte session token.
func reportPresign(g *goals) error {
	token := benchToken(900)
	at := time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC)
	client, err := tokenClient(token)
	if err != nil {
		return err
	}
	p, err := client.Presigner(context.Background(), at, 900*time.Second)
	if err != nil {
		return err
	}
	url := p.AppendGet(nil, benchKey)

	// The floor: the three SHA-256 runs that no signer can avoid, at their lengths here: the canonical request (the URL without
	// scheme and signature, plus the fixed lines around it), what the inner HMAC has left after its key block, and the outer.
	canonical := make([]byte, len(url)-55)
	block := make([]byte, 192)
	var sink byte
	floor := func() {
		h := sha256.Sum256(canonical)
		i := sha256.Sum256(block[:128])
		o := sha256.Sum256(block[:32])
		sink ^= h[0] ^ i[0] ^ o[0]
	}
	buf := make([]byte, 0, 4096)
	creds := aws.Credentials{AccessKeyID: benchAccess, SecretAccessKey: benchSecret, SessionToken: token}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	host := benchBucket + ".s3." + benchRegion + ".amazonaws.com"
	presigner := awss3.NewPresignClient(awss3.New(awss3.Options{Region: benchRegion,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })}))
	const n = 20000
	results := interleave(9, 1,
		candidate{"sha-256 floor", func() {
			for range n {
				floor()
			}
		}},
		candidate{"s3cam", func() {
			for range n {
				buf = p.AppendGet(buf[:0], benchKey)
			}
		}},
		candidate{"aws v4.Signer", func() {
			for range n {
				r, _ := http.NewRequest("GET", "https://"+host+"/"+benchKey+"?X-Amz-Expires=900&x-id=GetObject", nil)
				if _, _, err := signer.PresignHTTP(context.Background(), creds, r, "UNSIGNED-PAYLOAD", "s3", benchRegion, at); err != nil {
					panic(err)
				}
			}
		}},
		candidate{"aws PresignClient", func() {
			for range n {
				if _, err := presigner.PresignGetObject(context.Background(), &awss3.GetObjectInput{Bucket: aws.String(benchBucket), Key: aws.String(benchKey)}); err != nil {
					panic(err)
				}
			}
		}})
	_ = sink
	fmt.Fprintf(g.out, "\nPresigned GET URL, %d-byte token, %d-byte URL\n", len(token), len(url))
	fmt.Fprintf(g.out, "  %-20s %12s %14s\n", "signer", "CPU us/URL", "allocs/URL")
	for _, r := range results {
		fmt.Fprintf(g.out, "  %-20s %12.3f %14.2f\n", r.name, r.cpu.Seconds()*1e6/n, r.allocs/n)
	}
	g.atMost("presign: CPU against the SHA-256 floor", results[1].cpu.Seconds()/results[0].cpu.Seconds(), 1.3, "x")
	g.atMost("presign: allocations per URL", float64(int(results[1].allocs/n*100))/100, 0, "")
	return nil
}

// benchToken makes up a session token of n bytes.
func benchToken(n int) string { return strings.Repeat("IQoJb3JpZ2luX2VjE", n/17+1)[:n] }

func tokenClient(token string) (*s3.Client, error) {
	return s3.New(s3.Config{Region: benchRegion, Bucket: benchBucket, Credentials: s3.Static(benchAccess, benchSecret, s3.Secret(token))})
}
