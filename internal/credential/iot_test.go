// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/polltest"
)

func TestIoTGivesWhatTheEndpointGives(t *testing.T) {
	e, cfg := onTCP(t)
	var heard time.Time
	cfg.Heard = func(at time.Time) { heard = at }
	p := newIoT(t, cfg)
	before := time.Now()
	got := retrieve(t, p)
	until := got.Expires
	want := numbered(1)
	want.Expires = until
	if got != want {
		t.Errorf("Retrieve = %s, want %s; secret and token right: %v, %v", got.AccessKeyID, want.AccessKeyID,
			got.SecretAccessKey == want.SecretAccessKey, got.SessionToken == want.SessionToken)
	}
	if d := until.Sub(before); d < 59*time.Minute || d > 61*time.Minute {
		t.Errorf("they expire in %v, want an hour", d)
	}
	if d := heard.Sub(before); d < -2*time.Second || d > time.Minute {
		t.Errorf("the server's time is off by %v", d)
	}
	for range 100 {
		retrieve(t, p)
	}
	if n, _ := e.count(); n != 1 || e.lastDevice() != "device 1" {
		t.Errorf("%d requests by %q, want 1", n, e.lastDevice())
	}
}

func TestOneExchangeServesAllThatWait(t *testing.T) {
	e, cfg := onTCP(t)
	gate := make(chan struct{})
	e.next(answer{barrier: gate})
	p := newIoT(t, cfg)
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			if n%5 == 0 {
				if err := p.Refresh(t.Context()); err != nil {
					t.Errorf("Refresh = %v", err)
				}
			}
			if got := retrieve(t, p); got.AccessKeyID != numbered(1).AccessKeyID {
				t.Errorf("Retrieve = %s", got.AccessKeyID)
			}
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := p.Retrieve(ctx); !errors.Is(err, credential.ErrNone) || !strings.Contains(err.Error(), "enough") {
		t.Errorf("Retrieve with a context that has ended = %v", err)
	}
	polltest.Until(t, time.Minute, "a request comes", func() bool { n, _ := e.count(); return n > 0 })
	close(gate)
	all.Wait()
	if n, _ := e.count(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestConnectionErrorsSayWhatHelps(t *testing.T) {
	tests := []struct {
		name  string
		setup func(e *endpoint, cfg *credential.IoTConfig)
		want  string
	}{
		{"an endpoint of another authority", func(e *endpoint, cfg *credential.IoTConfig) { cfg.RootCAs = certtest.New(t, "other").Pool() }, "Amazon Root CA 1"},
		{"a clock beyond the certificate", func(e *endpoint, cfg *credential.IoTConfig) {
			cfg.Now = func() time.Time { return certtest.Until().Add(time.Hour) }
		}, "clock right"},
		{"a clock before the certificate", func(e *endpoint, cfg *credential.IoTConfig) { cfg.Now = func() time.Time { return time.Unix(100, 0) } }, "clock right"},
		{"a device of another authority", func(e *endpoint, cfg *credential.IoTConfig) { e.provision(certtest.New(t, "other"), "stranger") }, "registered and active"},
		{"no certificate", func(e *endpoint, cfg *credential.IoTConfig) { os.Remove(e.certFile) }, "certificate and key of the device"},
		{"a key of another certificate", func(e *endpoint, cfg *credential.IoTConfig) {
			_, key := issue(e.devices, "device 2", certtest.From(), certtest.Until())
			_ = os.WriteFile(e.keyFile, key, 0o600)
		}, "certificate and key of the device"},
		{"no route", func(e *endpoint, cfg *credential.IoTConfig) {
			e.refuse(&net.OpError{Op: "dial", Err: errors.New("no route to host")})
		}, "no route to host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, cfg := onTCP(t)
			e.t = t
			tt.setup(e, &cfg)
			p := newIoT(t, cfg)
			_, err := p.Retrieve(t.Context())
			if !errors.Is(err, credential.ErrNone) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Retrieve = %v, want %q in it", err, tt.want)
			}
			if n, _ := e.count(); n != 0 {
				t.Errorf("%d requests got through", n)
			}
			if err != nil {
				hides(t, "the error", err.Error())
			}
			_, dials := e.count()
			if _, again := p.Retrieve(t.Context()); again == nil || again.Error() != err.Error() {
				t.Errorf("Retrieve during the pause = %v, want the same error", again)
			}
			if rerr := p.Refresh(t.Context()); rerr == nil || !strings.Contains(err.Error(), rerr.Error()) {
				t.Errorf("Refresh during the pause = %v, want the same error", rerr)
			}
			if _, now := e.count(); now != dials {
				t.Error("it dials again during the pause")
			}
		})
	}
}

// A host that is not the one of the configuration must not get the request.
func TestTheEndpointMustBeTheOneOfTheConfiguration(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(t, l)
	e.server.Close()
	if e.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	e.serve("other.credentials.iot.eu-west-1.amazonaws.com", certtest.From(), certtest.Until())
	p := newIoT(t, e.config(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", e.listener.Addr().String())
	}))
	if _, err := p.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "describe-endpoint") {
		t.Errorf("Retrieve = %v", err)
	}
	if n, _ := e.count(); n != 0 {
		t.Error("the request was sent")
	}
}

// A device that believes it is 1970 verifies certificates for the time that it was built.
func TestAWrongClockIsHelpedByTheFloor(t *testing.T) {
	_, cfg := onTCP(t)
	cfg.Now = func() time.Time { return time.Unix(100, 0) }
	cfg.TimeFloor = time.Now()
	if got := retrieve(t, newIoT(t, cfg)); got.AccessKeyID != numbered(1).AccessKeyID {
		t.Errorf("Retrieve = %s", got.AccessKeyID)
	}
}

func TestAnswersThatAreNoCredentials(t *testing.T) {
	good := fmt.Sprintf(`{"credentials":{"accessKeyId":"%s","secretAccessKey":"%s","sessionToken":"%s","expiration":"2018-01-18T09:18:06Z"}}`, someTempID, someSecret, someToken)
	for name, tt := range map[string]struct {
		body, want string
	}{
		"no JSON":             {"<html>" + someSecret, "no JSON"},
		"cut off":             {good[:len(good)-2], "no JSON"},
		"too long":            {good + strings.Repeat(" ", 20000), "too long"},
		"no secret":           {strings.Replace(good, "secretAccessKey", "secret", 1), "secret access key is empty"},
		"no token":            {strings.Replace(good, "sessionToken", "token", 1), "session token is missing"},
		"a broken token":      {strings.Replace(good, someToken, someToken+`\n`, 1), "token has characters"},
		"no expiration":       {strings.Replace(good, "expiration", "end", 1), "expiration is no time"},
		"expired on arrival":  {good, "expired on arrival"},
		"something else":      {`{"message":"hello"}`, "id is empty"},
		"an array":            {"[" + good + "]", "no JSON"},
		"other letters' case": {strings.ReplaceAll(good, "accessKeyId", "AccessKeyId"), "id is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			e, cfg := onTCP(t)
			e.t = t
			e.next(answer{body: tt.body})
			_, err := newIoT(t, cfg).Retrieve(t.Context())
			if !errors.Is(err, credential.ErrNone) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Retrieve = %v, want %q in it", err, tt.want)
			}
			if err != nil {
				hides(t, "the error", err.Error())
			}
		})
	}
}

func TestNewIoTReportsAllThatIsWrong(t *testing.T) {
	_, err := credential.NewIoT(credential.IoTConfig{Endpoint: "a/b", ThingName: "a b", RoleAlias: "c/d", CertFile: "x"})
	for _, want := range []string{"host name", "thing name", "role alias", "key file is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewIoT = %v, want %q in it", err, want)
		}
	}
	for _, ok := range []string{host, "https://" + host, "https://" + host + "/", host + ":8443", "127.0.0.1:443", "[::1]:8443"} {
		if _, err := credential.NewIoT(credential.IoTConfig{Endpoint: ok, ThingName: thing, RoleAlias: "_=,@-1", CertFile: "x", KeyFile: "y"}); err != nil {
			t.Errorf("NewIoT(%s) = %v", ok, err)
		}
	}
}

func TestCloseEndsAnExchange(t *testing.T) {
	e, cfg := onTCP(t)
	gate := make(chan struct{})
	defer close(gate)
	e.next(answer{barrier: gate})
	p := newIoT(t, cfg)
	got := make(chan error)
	go func() {
		_, err := p.Retrieve(context.Background())
		got <- err
	}()
	polltest.Until(t, time.Minute, "a request comes", func() bool { n, _ := e.count(); return n > 0 })
	p.Close()
	if err := <-got; !errors.Is(err, credential.ErrNone) {
		t.Errorf("Retrieve during Close = %v", err)
	}
	if _, err := p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) {
		t.Errorf("Retrieve after Close = %v", err)
	}
	p.Close()
}
