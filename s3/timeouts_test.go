// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// transport is a RoundTripper made of a function. With synctest its time is not real, so waits are exact and cost nothing.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answer(r *http.Request, status int, body io.Reader, length int64) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Etag": {`"e"`}}, Body: io.NopCloser(body), ContentLength: length, Request: r}
}

func timed(t *testing.T, rt transport, edit ...func(*s3.Config)) *s3.Client {
	t.Helper()
	cfg := s3.Config{Region: "us-east-1", Bucket: bucket, Credentials: s3.Static(accessKey, secretKey, ""), Transport: rt}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := s3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hang answers nothing until the request is given up.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestHangingServerIsGivenUp(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := timed(t, func(r *http.Request) (*http.Response, error) { calls++; return hang(r) })
				s3.SetWaiting(c, nil, func() float64 { return 1 })
				start := time.Now()
				err := op.run(context.Background(), c)
				took := time.Since(start)
				if !errors.Is(err, s3.ErrTimeout) || !s3.Retryable(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
					t.Errorf("error = %v, want ErrTimeout", err)
				}
				want := 4*s3.DefaultTryTimeout + (100+200+400)*ms
				if op.name == "put" {
					want += 4 * (4 * time.Second / s3.DefaultMinRate) // its 4 bytes
				}
				if calls != 4 || (took-want).Abs() > ms {
					t.Errorf("%d attempts in %v, want 4 in %v", calls, took, want)
				}
			})
		})
	}
}

func TestTimeToUploadGrowsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t, hang, func(cfg *s3.Config) { cfg.TryTimeout, cfg.MinRate = 5*time.Second, 10_000 })
		start := time.Now()
		_, err := c.PutOnce(context.Background(), "k", strings.NewReader(strings.Repeat("x", 70_000)), 70_000, s3.PutOptions{})
		if took := time.Since(start); !errors.Is(err, s3.ErrTimeout) || took != 12*time.Second {
			t.Errorf("gave up after %v with %v, want 5 s and 7 s for the body", took, err)
		}
	})
}

// trickle yields one byte per interval, n in all, and then EOF, or the error of ctx when it ends.
type trickle struct {
	ctx      context.Context
	interval time.Duration
	n        int
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(r.interval):
		r.n--
		p[0] = 'x'
		return 1, nil
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}

func TestOnlyStallsOfABodyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interval := 9 * time.Second // of 10 that one read may take
		c := timed(t, func(r *http.Request) (*http.Response, error) {
			return answer(r, 200, &trickle{r.Context(), interval, 20}, 20), nil
		})
		got, err := c.ReadRange(context.Background(), "k", 0, 100)
		if len(got) != 20 || err != nil {
			t.Errorf("a slow body gave %q, %v", got, err)
		}
		interval = 11 * time.Second
		if got, err = c.ReadRange(context.Background(), "k", 0, 100); !errors.Is(err, s3.ErrTimeout) || !s3.Retryable(err) {
			t.Errorf("a stalled body gave %q, %v, want ErrTimeout", got, err)
		}
		interval = time.Second
		o, err := c.Get(context.Background(), "k", s3.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Body.Close()
		for range 20 {
			time.Sleep(time.Minute) // a slow caller is no stall
			if n, err := o.Body.Read(make([]byte, 10)); n != 1 || err != nil {
				t.Fatalf("read %d, %v", n, err)
			}
		}
	})
}

func TestWaitsAreRandomWithinGrowingBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		c := timed(t, func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			return answer(r, 500, strings.NewReader(""), 0), nil
		}, func(cfg *s3.Config) { cfg.MaxAttempts, cfg.MaxBackoff = 8, 3*time.Second })
		seen := map[time.Duration]bool{}
		for range 10 {
			at = at[:0]
			if err := c.Delete(context.Background(), "k"); err == nil {
				t.Fatal("no error")
			}
			for i := 1; i < len(at); i++ {
				wait, bound := at[i].Sub(at[i-1]), min(100*ms<<(i-1), 3*time.Second)
				if wait < 0 || wait >= bound {
					t.Errorf("wait %d = %v, want below %v", i, wait, bound)
				}
				seen[wait] = true
			}
		}
		if len(seen) < 60 { // of 70
			t.Errorf("only %d different waits", len(seen))
		}
	})
}

func TestCallersDeadlineCutsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t, func(r *http.Request) (*http.Response, error) {
			return answer(r, 503, strings.NewReader("<Error><Code>SlowDown</Code></Error>"), -1), nil
		})
		s3.SetWaiting(c, nil, func() float64 { return 1 })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		err := c.Delete(ctx, "k")
		if took := time.Since(start); took != time.Second || !errors.Is(err, s3.ErrThrottled) {
			t.Errorf("returned %v after %v, want the server's answer after 1s", err, took)
		}
	})
}
