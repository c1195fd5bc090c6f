// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/s3cam/s3cam/s3"
)

// reportPut compares PUTs of a 1.9 MB segment to a sink on loopback: a bare net/http PUT, and ours with signature and
// checksum. Both run in this process with the sink, so the difference is what our client adds.
func reportPut(g *goals) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"e"`) // without one it is no store
	})}
	go srv.Serve(l)
	defer srv.Close()
	url := "http://" + l.Addr().String()
	body := make([]byte, 1_912_000)
	client, err := s3.New(s3.Config{Endpoint: url, PathStyle: true, Region: benchRegion, Bucket: "video",
		Credentials: s3.Static(benchAccess, benchSecret, "")})
	if err != nil {
		return err
	}
	bare := &http.Client{Transport: &http.Transport{}}
	results := interleave(9, 50,
		candidate{"net/http alone", func() {
			r, _ := http.NewRequest("PUT", url+"/video/"+benchKey, bytes.NewReader(body))
			resp, err := bare.Do(r)
			if err != nil {
				panic(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}},
		candidate{"s3cam", func() {
			if _, err := client.PutOnce(context.Background(), benchKey, bytes.NewReader(body), int64(len(body)), s3.PutOptions{ContentType: "video/mp2t", IfNoneMatch: true}); err != nil {
				panic(err)
			}
		}})
	fmt.Fprintf(g.out, "\nPUT of %d bytes to a sink on loopback (plain http, so the payload is hashed with SHA-256)\n  %-20s %12s %14s %14s\n", len(body), "client", "CPU us", "allocs", "bytes")
	for _, r := range results {
		fmt.Fprintf(g.out, "  %-20s %12.0f %14.1f %14.0f\n", r.name, r.cpu.Seconds()*1e6, r.allocs, r.bytes)
	}
	g.atMost("PUT: allocations beyond net/http", results[1].allocs-results[0].allocs, 80, "")
	g.atMost("PUT: allocated bytes beyond net/http", results[1].bytes-results[0].bytes, 8000, "B")
	return nil
}
