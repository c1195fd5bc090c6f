// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/sigv4"
)

var signedAt = time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC)

// sign is a PUT's Authorization header with c.
func sign(dst []byte, s *sigv4.Signer, c *sigv4.Credentials) []byte {
	return s.AppendAuthorization(dst, c, "eu-west-1", "s3", signedAt, &sigv4.Request{Method: "PUT", EscapedPath: "/cam1/2026/03/09/04/05/06.ts",
		Headers: []sigv4.Header{{Name: "host", Value: "b.s3.eu-west-1.amazonaws.com"}, {Name: "x-amz-date", Value: "20260309T040506Z"},
			{Name: "x-amz-security-token", Value: string(c.SessionToken)}}, PayloadHash: sigv4.UnsignedPayload})
}

// underLoad signs requests with what p gives, from four goroutines with one signer as the agent has it, while rotate is called again and again.
// Each signature must be that of exactly one of the sets; several must have been used.
func underLoad(t *testing.T, p credential.Provider, requests, sets int, rotate func(round int)) {
	t.Helper()
	want := map[string]string{}
	for n := range sets {
		var alone sigv4.Signer
		c := numbered(n)
		want[c.AccessKeyID] = string(sign(nil, &alone, &c))
	}
	var shared sigv4.Signer
	var used sync.Map
	var done atomic.Int64
	var signers, rotator sync.WaitGroup
	ended := make(chan struct{})
	rotator.Go(func() {
		for round := 0; ; round++ {
			select {
			case <-ended:
				return
			default:
				rotate(round)
			}
		}
	})
	for range 4 {
		signers.Go(func() {
			var buf []byte
			for done.Add(1) <= int64(requests) {
				c, err := p.Retrieve(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				buf = sign(buf[:0], &shared, &c)
				if is, known := want[c.AccessKeyID]; !known || is != string(buf) || c != withEnd(numbered(number(c.AccessKeyID)), c.Expires) {
					t.Errorf("a request with the key of set %d has a signature or token of another", number(c.AccessKeyID))
					return
				}
				used.Store(c.AccessKeyID, true)
			}
		})
	}
	signers.Wait()
	close(ended)
	rotator.Wait()
	n := 0
	used.Range(func(any, any) bool { n++; return true })
	t.Logf("%d requests, %d sets used", requests, n)
	if n < 2 {
		t.Error("nothing was rotated meanwhile")
	}
}

func withEnd(c sigv4.Credentials, end time.Time) sigv4.Credentials {
	c.Expires = end
	return c
}

const load = 100_000

func TestRotationByTheFirmwareNeverMixesTwoSets(t *testing.T) {
	var p credential.Settable
	p.Set(numbered(0))
	underLoad(t, &p, load, 8, func(round int) { p.Set(numbered(round % 8)) })
}

func TestRotationOfTheFileNeverMixesTwoSets(t *testing.T) {
	k := newKeyFile(t)
	var now atomic.Int64
	p := credential.NewFile(credential.FileConfig{Path: k.path, Now: func() time.Time { return time.Unix(1e9, now.Load()) }})
	k.write(text(0))
	retrieve(t, p)
	underLoad(t, p, load, 8, func(round int) {
		switch round % 3 {
		case 0: // in place, in two steps
			s := text(round / 3 % 8)
			cut := strings.Index(s, "token") + 20
			k.write(s[:cut])
			now.Add(int64(300 * time.Millisecond))
			f, err := os.OpenFile(k.path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString(s[cut:])
				f.Close()
			}
			if err != nil {
				t.Error(err)
			}
		case 1:
			k.replace(text(round % 8))
		case 2:
			if err := p.Refresh(t.Context()); err != nil && !strings.Contains(err.Error(), "still has") {
				t.Error(err)
			}
		}
		now.Add(int64(time.Second))
	})
}

// In virtual time: the endpoint is asked again every 11 s, while every 200th request of a signer takes 5 s.
func TestRotationByTheEndpointNeverMixesTwoSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cfg := inMemory(t)
		p := newIoT(t, cfg)
		underLoad(t, slow{p, new(atomic.Int64)}, load, 90, func(int) {
			time.Sleep(11 * time.Second)
			if err := p.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

type slow struct {
	credential.Provider
	n *atomic.Int64
}

func (s slow) Retrieve(ctx context.Context) (sigv4.Credentials, error) {
	c, err := s.Provider.Retrieve(ctx)
	if s.n.Add(1)%200 == 0 {
		time.Sleep(5 * time.Second)
	}
	return c, err
}
