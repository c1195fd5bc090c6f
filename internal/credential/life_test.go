// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/credential"
)

// camera asks for credentials every 3 s, as uploads do, and passes on what it gets.
func camera(t *testing.T, p *credential.IoT, span time.Duration, each func(id string, err error)) {
	t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(3 * time.Second) {
		at := time.Now()
		c, err := p.Retrieve(t.Context())
		if took := time.Since(at); err == nil && took > 0 {
			t.Errorf("Retrieve waits for %v", took)
		}
		each(c.AccessKeyID, err)
		synctest.Wait()
	}
}

// number says which set an access key id belongs to.
func number(id string) int {
	for n := range 100 {
		if numbered(n).AccessKeyID == id {
			return n
		}
	}
	return -1
}

func TestCredentialsAreRenewedInTimeAndNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, cfg := inMemory(t)
		p := newIoT(t, cfg)
		start := time.Now()
		last := 0
		camera(t, p, 10*time.Hour, func(id string, err error) {
			if err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			if n := number(id); n < last {
				t.Errorf("set %d after %d", n, last)
			} else {
				last = n
			}
		})
		for n, at := range e.times[1:] {
			if d := at.Sub(e.times[n]); d < 45*time.Minute || d > 48*time.Minute+3*time.Second {
				t.Errorf("renewal %d after %v, want 75 to 80 %% of an hour", n+1, d)
			}
		}
		if n, _ := e.count(); n < 12 || n > 14 || last < n-1 {
			t.Errorf("%d requests in 10 hours, %d sets used", n, last)
		}
	})
}

// A device is not always at the same place in the queue.
func TestOneDeviceRenewsAtDifferentMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moments := map[time.Duration]int{}
		for range 20 {
			e, cfg := inMemory(t)
			p := newIoT(t, cfg)
			retrieve(t, p)
			camera(t, p, 50*time.Minute, func(string, error) {})
			moments[e.times[1].Sub(e.times[0]).Round(time.Second)]++
		}
		if len(moments) < 6 { // the same name: a percent of an hour, 36 s, by chance
			t.Errorf("one thing renews at %v after the start", moments)
		}
	})
}

// A fleet that starts at once does not come back at once.
func TestDevicesRenewAtMomentsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, cfg := inMemory(t)
		moments := map[time.Duration]int{}
		for n := range 60 {
			e.want(fmt.Sprintf("door-%d", n))
			cfg.ThingName = fmt.Sprintf("door-%d", n)
			p := newIoT(t, cfg)
			before, _ := e.count()
			retrieve(t, p)
			camera(t, p, 50*time.Minute, func(string, error) {})
			moments[e.times[before+1].Sub(e.times[before]).Round(10*time.Second)]++
		}
		for at, n := range moments {
			if n > 12 {
				t.Errorf("%d of 60 renew %v after the start", n, at)
			}
		}
		if len(moments) < 12 { // 180 s, in tens
			t.Errorf("60 things renew at %v after the start", moments)
		}
	})
}

// refusals are the errors of the endpoint, by its own texts.
var refusals = []struct {
	name    string
	a       answer
	want    string
	lasting bool
}{
	{"a thing that is not the certificate's", answer{status: 403, kind: "AccessDeniedException", body: `{"message":"Invalid thing name passed"}`}, "attach-thing-principal", true},
	{"no policy", answer{status: 403, kind: "AccessDeniedException", body: `{"message":"Access Denied"}`}, "iot:AssumeRoleWithCertificate", true},
	{"a certificate of elsewhere", answer{status: 403, kind: "InvalidCertificateException", body: `{"message":"Certificate is invalid on this endpoint"}`}, "account and region", true},
	{"no such alias", answer{status: 404, kind: "ResourceNotFoundException", body: `{"message":"Role alias does not exist"}`}, "create the role alias", true},
	{"a role without trust", answer{status: 400, kind: "InvalidRequestException", body: `{"message":"Unable to assume the role, arn:aws:iam::123456789012:role/device"}`}, "credentials.iot.amazonaws.com", true},
	{"too long a duration", answer{status: 400, body: `{"message":"The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for this role"}`}, "MaxSessionDuration", true},
	{"another 403", answer{status: 403, body: "<html>Forbidden</html>"}, "must be active", true},
	{"another 4xx", answer{status: 418, body: `{"message":"line\nbreak \u0000 and more"}`}, "418, line break   and more", true},
	{"a redirect", answer{status: 302}, "302", true},
	{"too many requests", answer{status: 429, kind: "ThrottlingException", body: `{"message":"Rate exceeded"}`}, "429, ThrottlingException, Rate exceeded", false},
	{"request timeout", answer{status: 408}, "408", false},
	{"internal error", answer{status: 500, kind: "InternalFailureException"}, "500", false},
	{"unavailable", answer{status: 503, body: "busy"}, "503", false},
}

// Each error comes when the credentials are to be renewed, and stays for 5 hours. The old ones are used until they expire; the endpoint is asked
// rarely when somebody has to change something and more often when not; when it is well again so is the camera.
func TestEveryRefusalKeepsTheOldCredentialsAsLongAsTheyLast(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, cfg := inMemory(t)
				p := newIoT(t, cfg)
				start := time.Now()
				retrieve(t, p)
				e.from(&tt.a)
				var lastGood time.Duration
				var last error
				camera(t, p, 5*time.Hour, func(id string, err error) {
					if err == nil {
						if lastGood = time.Since(start); number(id) != 1 {
							t.Errorf("set %d from nowhere", number(id))
						}
						return
					}
					last = err
				})
				if lastGood < 59*time.Minute+50*time.Second || lastGood >= time.Hour {
					t.Errorf("the credentials were used for %v, want an hour less a few seconds", lastGood)
				}
				var refused *credential.IoTError
				if !errors.Is(last, credential.ErrNone) || !errors.As(last, &refused) || refused.Status != tt.a.status || refused.Lasting() != tt.lasting ||
					!strings.Contains(last.Error(), tt.want) || strings.ContainsAny(last.Error(), "\n\x00") {
					t.Errorf("the error is %q, want %q in it", last, tt.want)
				}
				n, _ := e.count()
				// Ten minutes and a half on the average between two at last, or 45 s.
				if low, high := 5*60/15, 5*60/7+4; tt.lasting && (n < low || n > high) {
					t.Errorf("%d requests in 5 hours, want %d to %d", n, low, high)
				}
				if low, high := 4*60, 5*60*2+10; !tt.lasting && (n < low || n > high) {
					t.Errorf("%d requests in 5 hours, want %d to %d", n, low, high)
				}
				for i, at := range e.times[2:] {
					if d := at.Sub(e.times[i+1]); d < time.Second || tt.lasting && d < time.Minute || !tt.lasting && d > time.Minute+4*time.Second || d > 15*time.Minute+4*time.Second {
						t.Errorf("request %d %v after the one before", i+2, d)
					}
				}
				e.from(nil)
				well := time.Time{}
				camera(t, p, 16*time.Minute, func(id string, err error) {
					if err == nil && well.IsZero() {
						well = time.Now()
					}
				})
				if well.IsZero() {
					t.Error("it does not recover")
				}
				if lines := strings.Count(e.logs.String(), "no credentials from AWS IoT"); lines != n-1 {
					t.Errorf("%d lines in the log about %d failures", lines, n-1)
				}
			})
		})
	}
}

func TestWithoutANetworkTheOldCredentialsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, cfg := inMemory(t)
		p := newIoT(t, cfg)
		start := time.Now()
		retrieve(t, p)
		e.refuse(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")})
		camera(t, p, 59*time.Minute, func(id string, err error) {
			if err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		})
		e.refuse(nil)
		camera(t, p, 20*time.Minute, func(id string, err error) {
			if err != nil && time.Since(start) > 61*time.Minute {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		})
		if _, dials := e.count(); dials < 10 || dials > 40 {
			t.Errorf("%d connections tried", dials)
		}
	})
}

// An endpoint that never answers costs nothing while credentials are valid, and half a minute when not.
func TestAnEndpointThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, cfg := inMemory(t)
		gate := make(chan struct{})
		defer close(gate)
		p := newIoT(t, cfg)
		retrieve(t, p)
		e.from(&answer{barrier: gate})
		camera(t, p, 59*time.Minute, func(_ string, err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
		time.Sleep(2 * time.Minute)
		at := time.Now()
		if _, err := p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) || time.Since(at) > 31*time.Second {
			t.Errorf("Retrieve = %v after %v", err, time.Since(at))
		}
		time.Sleep(2 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		at = time.Now()
		if _, err := p.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(at) > time.Second {
			t.Errorf("Retrieve with a second's time = %v after %v", err, time.Since(at))
		}
	})
}

func TestTheServersTimeCountsNotTheDevices(t *testing.T) {
	for name, clock := range map[string]func(start time.Time) time.Time{
		"1970":            func(start time.Time) time.Time { return time.Unix(0, 0).Add(time.Since(start)) },
		"ten years ahead": func(start time.Time) time.Time { return time.Now().AddDate(10, 0, 0).Round(0) },
		"20 minutes slow": func(start time.Time) time.Time { return time.Now().Add(-20 * time.Minute).Round(0) },
		"a step of years every 7 minutes": func(start time.Time) time.Time {
			return time.Now().AddDate(int(time.Since(start)/(7*time.Minute))%3*9, 0, 0).Round(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, cfg := inMemory(t)
				start := time.Now()
				cfg.Now, cfg.TimeFloor = func() time.Time { return clock(start) }, start
				p := newIoT(t, cfg)
				if got := retrieve(t, p); !got.Expires.Equal(start.Add(time.Hour)) {
					t.Errorf("they expire at %v, want what the server said, %v", got.Expires, start.Add(time.Hour))
				}
				camera(t, p, 5*time.Hour, func(_ string, err error) {
					if err != nil {
						t.Fatal(err)
					}
				})
				if n, _ := e.count(); n < 6 || n > 7 {
					t.Errorf("%d requests in 5 hours", n)
				}
			})
		})
	}
}

func TestWithoutADateTheShortestLifeIsAssumed(t *testing.T) {
	for name, tt := range map[string]struct {
		off      time.Duration
		low, top int
	}{"the clock is right": {0, 6, 7}, "the clock is wrong": {-9 * 365 * 24 * time.Hour, 24, 28}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, cfg := inMemory(t)
				e.from(&answer{noDate: true})
				cfg.Now, cfg.TimeFloor = func() time.Time { return time.Now().Add(tt.off) }, time.Now()
				p := newIoT(t, cfg)
				retrieve(t, p)
				camera(t, p, 5*time.Hour, func(_ string, err error) {
					if err != nil {
						t.Fatal(err)
					}
				})
				if n, _ := e.count(); n < tt.low || n > tt.top {
					t.Errorf("%d requests in 5 hours, want %d to %d", n, tt.low, tt.top)
				}
			})
		})
	}
}

func TestRefreshRenewsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, cfg := inMemory(t)
		p := newIoT(t, cfg)
		retrieve(t, p)
		time.Sleep(time.Minute)
		for range 3 { // three requests had been refused as expired
			if err := p.Refresh(t.Context()); err != nil {
				t.Errorf("Refresh = %v", err)
			}
		}
		if got := retrieve(t, p); number(got.AccessKeyID) != 2 {
			t.Errorf("set %d, want 2", number(got.AccessKeyID))
		}
		if n, _ := e.count(); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
		e.next(answer{status: 403})
		time.Sleep(time.Minute)
		first := p.Refresh(t.Context())
		for range 5 {
			if err := p.Refresh(t.Context()); err == nil || err != first {
				t.Errorf("Refresh = %v, want %v", err, first)
			}
		}
		if got := retrieve(t, p); number(got.AccessKeyID) != 2 {
			t.Errorf("set %d after a failed Refresh, want 2", number(got.AccessKeyID))
		}
		if n, _ := e.count(); n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
	})
}

// Provisioning replaces certificate and key one after the other; the exchange in between uses the old pair.
func TestANewCertificateIsUsedForTheNextExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, cfg := inMemory(t)
		p := newIoT(t, cfg)
		exchange := func(want string) {
			t.Helper()
			time.Sleep(time.Minute)
			if err := p.Refresh(t.Context()); err != nil || e.lastDevice() != want {
				t.Errorf("Refresh = %v, by %q, want %q", err, e.lastDevice(), want)
			}
		}
		exchange("device 1")
		cert, key := issue(e.devices, "device 2", certtest.From(), certtest.Until())
		for _, step := range []struct {
			file string
			b    []byte
			want string
		}{{cfg.CertFile, cert[:len(cert)/2], "device 1"}, {cfg.CertFile, cert, "device 1"}, {cfg.KeyFile, nil, "device 1"}, {cfg.KeyFile, key, "device 2"}} {
			if err := os.WriteFile(step.file, step.b, 0o600); err != nil {
				t.Fatal(err)
			}
			exchange(step.want)
		}
	})
}
