// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

// What a customer does from docs/guide/server.md and docs/guide/cameras.md, with the programs that ship: a server with TLS; a camera that is
// made known, with a key pair or a certificate, and records with the files that were written for it; another key, another certificate of the
// server, and a camera that is taken away for a while, all while it records. What is played back afterwards is every picture that the
// encoder gave out.
func TestACustomersCamera(t *testing.T) {
	for _, tt := range []struct {
		name        string
		on          target
		certificate bool
	}{
		{"with a key pair", native, false},
		{"with a certificate", native, true},
		{"with a certificate on a MIPS SoC", mipsel, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			customersCamera(t, build(t, tt.on), tt.certificate)
		})
	}
}

func customersCamera(t *testing.T, b built, certificate bool) {
	const camera = "shop/door"
	c := encode(t, encoded{seconds: 20, gop: 25, kbps: 300, size: "320x240", noise: 10})
	p := newProduct(t)
	began := time.Now().Add(-time.Minute)

	dir := filepath.Join(t.TempDir(), "door-files")
	add := []string{"camera", "add", camera, "--out", dir, "--device-dir", dir}
	rotate := []string{"camera", "rotate", camera, "--out", dir, "--device-dir", dir, "--overlap", "4"}
	if certificate {
		add = append(add, "--certificate")
	}
	p.run(nil, add...)
	check := func() string {
		cmd := exec.Command(b.agent, "check", "--connect", "--config", filepath.Join(dir, "agent.conf"), "--socket", filepath.Join(dir, "sock"))
		cmd.Env = cleanEnv()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return err.Error() + "\n" + string(out)
		}
		return ""
	}
	polltest.Until(t, 30*time.Second, "s3cam-agent check --connect is content", func() bool { return check() == "" }) // a certificate is known within a second

	spool := filepath.Join(t.TempDir(), "flash")
	if err := os.Mkdir(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	r := record(t, b, camera, dir, c, "--segment", "1s", "--rejected-wait", "1s", "--unhealthy-after", "5s", "--spool-dir", spool)
	r.more(2, "at first")

	// Another key while it records: the new files take the place of the old ones, the agent goes on.
	list := func() string { return p.run(nil, "camera", "list") }
	old := strings.Fields(strings.Split(list(), "\n")[1])[2] // CAMERA, key or certificate, its id
	p.run(nil, rotate...)
	polltest.Until(t, 30*time.Second, "the old key ends", func() bool {
		for line := range strings.Lines(list()) {
			if strings.Contains(line, old) {
				return strings.Contains(line, "ended")
			}
		}
		return true
	})
	r.more(4, "after the old key has ended")

	// Another certificate of the server while it records.
	was := p.shown(p.s3)
	p.renew()
	polltest.Until(t, time.Minute, "both ports show the new certificate", func() bool {
		s, w := p.shown(p.s3), p.shown(p.web)
		return s == w && s != was && !strings.Contains(s, " ")
	})
	if said := check(); said != "" {
		t.Errorf("check with the new certificate of the server: %s", said)
	}
	r.more(2, "after the renewal")
	if s, code := r.status(); s.Status != "healthy" || code != 0 || s.Dropped != 0 {
		t.Errorf("status after another key and another certificate: %d, %+v", code, s)
	}

	// Taken away: refused, told, kept.
	p.run(nil, "camera", "disable", camera)
	polltest.Until(t, time.Minute, "the agent says that its uploads are refused", func() bool {
		s, code := r.status()
		return code == 1 && s.Status == "unhealthy" && s.Failures > 0 && s.Problem != "" && s.LastError != ""
	})
	refused, _ := r.status()
	t.Logf("a disabled camera's agent says: %s; %s", refused.Problem, refused.LastError)
	stored := p.keys(camera)
	polltest.Until(t, time.Minute, "what is recorded meanwhile waits", func() bool { s, _ := r.status(); return s.Pending+s.Spooled >= refused.Pending+refused.Spooled+3 })
	if now := p.keys(camera); len(now) != len(stored) {
		t.Errorf("%d segments of a disabled camera were stored", len(now)-len(stored))
	}
	p.run(nil, "camera", "enable", camera)
	r.more(6, "after the camera is enabled")
	fed := r.end()

	// Played back over https, with a login and with a token; not by strangers.
	if code, _ := p.viewer("").get(p.replay(camera, began)); code != 401 {
		t.Errorf("a stranger's playlist answers %d", code)
	}
	token := strings.TrimSpace(p.run(nil, "token", "make", "--camera", camera, "--for", "1h"))
	who := p.viewer(token)
	polltest.Until(t, 20*time.Second, "the token is good", func() bool { code, _ := who.get(p.replay(camera, began)); return code == 200 })
	got := inspect(t, segmentsOf(t, camera, who.watch(p, camera, began)), c)
	if got.frames != fed || len(got.holes) > 0 {
		t.Errorf("%d of %d pictures can be watched\n%s", got.frames, fed, &got)
	}
	var source []byte
	for n := range fed {
		source = append(source, c.units[n%len(c.units)].data...)
	}
	if got, want := got.md5(t), decodedMD5(t, source); got != want {
		t.Errorf("md5 of the decoded pictures is %s, want that of what the encoder gave out, %s", got, want)
	}
	again := p.login("anna").watch(p, camera, began)
	for i, o := range again {
		if i >= len(got.segments) || !bytes.Equal(o.data, got.segments[i].data) {
			t.Fatalf("with a login other footage is seen than with a token, from segment %d on", i)
		}
	}
	// ffmpeg is a player that knows nothing of us.
	address := p.replay(camera, began) + "&token=" + token
	out, err := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-i", address, "-map", "0:v", "-f", "rawvideo", "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "md5:").CombinedOutput()
	if got, want := strings.TrimPrefix(strings.TrimSpace(string(out)), "MD5="), decodedMD5(t, source); err != nil || got != want {
		t.Errorf("what ffmpeg plays has the md5 %s (%v), want %s", got, err, want)
	}
	t.Logf("%d pictures in %d segments", fed, len(got.segments))

	// Removed: its files are good for nothing.
	p.run(nil, "camera", "remove", camera)
	late := record(t, b, camera, dir, c, "--segment", "1s", "--rejected-wait", "1s", "--unhealthy-after", "3s")
	polltest.Until(t, time.Minute, "the agent of a removed camera says that it is refused", func() bool { s, code := late.status(); return code == 1 && s.Problem != "" })
	last, _ := late.status()
	t.Logf("a removed camera's agent says: %s; %s", last.Problem, last.LastError)
	if n := len(p.keys(camera)); n != len(got.segments) {
		t.Errorf("%d segments are stored, want the %d from before the removal", n, len(got.segments))
	}
	close(late.stop)
}
