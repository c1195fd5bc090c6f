// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
)

func TestCheck(t *testing.T) {
	var signed bool
	late := time.Duration(0)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = signed || r.Header.Get("Authorization") != "" || r.Method == http.MethodPut
		w.Header().Set("Date", time.Now().Add(late).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	place := []string{"--endpoint", s.URL, "--bucket", "bucket", "--prefix", "cam", "--access-key", "AK", "--secret-key", "hunter2"}
	with := func(more ...string) []string { return append(append([]string{}, place...), more...) }
	iot := []string{"--endpoint", "https://s3.invalid", "--bucket", "bucket", "--iot-endpoint", "iot.invalid", "--iot-thing", "cam-1", "--iot-role-alias", "a",
		"--iot-cert", filepath.Join(dir, "device.crt"), "--iot-key", filepath.Join(dir, "device.key")}
	tests := []struct {
		name     string
		settings []string
		connect  bool
		late     time.Duration
		says     string
		err      string // "" none
		usage    bool
	}{
		{name: "all is well", settings: with("--ca-file", ca), connect: true, says: "the clock of this device is right"},
		{name: "the clock is wrong", settings: with("--ca-file", ca), connect: true, late: time.Hour, says: "from the clock of this device: the agent corrects that"},
		{name: "a certificate of nobody", settings: place, connect: true, err: "certificate"},
		{name: "which is not noticed without connect", settings: place, says: "ok\n"},
		{name: "a file of roots that is missing", settings: with("--ca-file", filepath.Join(dir, "no.pem")), err: "ca-file", usage: true},
		{name: "a bad bucket name", settings: []string{"--endpoint", "https://s3.invalid", "--bucket", "A/B"}, err: "A/B", usage: true},
		{name: "a card that is not there yet", settings: with("--spool-dir", filepath.Join(dir, "card")), says: "warning      spool-dir"},
		{name: "the same when all must be well", settings: with("--ca-file", ca, "--spool-dir", filepath.Join(dir, "card")), connect: true, err: "spool-dir"},
		{name: "credentials that are not there yet", settings: []string{"--endpoint", s.URL, "--bucket", "bucket", "--credentials-file", filepath.Join(dir, "no")}, says: "warning      credentials"},
		{name: "AWS IoT is not asked without connect", settings: iot, says: "warning      iot-cert, iot-key"},
		{name: "and is with it", settings: iot, connect: true, err: "credentials: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			late = tt.late
			cfg, err := agent.Load(tt.settings, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := agent.New(cfg, agent.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			err = a.Check(t.Context(), &b, tt.connect)
			if !strings.Contains(b.String(), tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, b.String())
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) || errors.Is(err, agent.ErrUsage) != tt.usage {
				t.Errorf("Check = %v, want %q, about settings: %v", err, tt.err, tt.usage)
			}
			if strings.Contains(b.String(), "hunter2") {
				t.Error("a secret is shown")
			}
		})
	}
	if signed {
		t.Error("a signed request or a PUT was sent")
	}
}
