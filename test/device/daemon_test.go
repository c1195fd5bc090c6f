// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

// daemon is an agent that an init script has started.
type daemon struct {
	t      *testing.T
	socket string
	env    []string
	agent  string
	cmd    *exec.Cmd
	log    lockedBuffer
}

func newDaemon(t *testing.T, b built, d *device) *daemon {
	t.Helper()
	a := &daemon{t: t, socket: filepath.Join(d.dir, "agent.sock"), env: append(cleanEnv(), d.env...), agent: b.agent}
	a.start()
	t.Cleanup(a.kill)
	return a
}

func (a *daemon) start() {
	a.t.Helper()
	a.cmd = exec.Command(a.agent, "--socket", a.socket)
	a.cmd.Env, a.cmd.Stdout, a.cmd.Stderr = a.env, &a.log, &a.log
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	polltest.Until(a.t, 10*time.Second, "the daemon listens", func() bool { return a.status().err == nil })
}

func (a *daemon) kill() {
	a.cmd.Process.Kill()
	a.cmd.Wait()
}

type status struct {
	text string
	err  error
}

func (a *daemon) status() status {
	cmd := exec.Command(a.agent, "status", "--socket", a.socket)
	cmd.Env = cleanEnv()
	out, err := cmd.CombinedOutput()
	return status{string(out), err}
}

// Two cameras of one firmware use one daemon, which is killed and started again by init: both go on, and what is lost is counted. The firmware
// then is started again itself and finds the same daemon.
func TestDaemon(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	s := newStore(t)
	l := newLink(t, s.host)
	d := newDevice(t, s.ca, "S3CAM_SEGMENT=1s")
	a := newDaemon(t, b, d)
	const fed = 300
	camera := func(prefix string, second bool, frames int) *script {
		sc := newScript(t).initialize(1<<20, region, bucketName, prefix, l.addr).credential(rootKey).start()
		if !second {
			sc.zero().op('G')
		}
		feed{clip: c, frames: frames, speed: 1}.write(sc).op('P', u32(20_000)).finalize()
		if !second {
			sc.op('J')
		}
		return sc
	}
	env := append(d.env, "S3CAM_AGENT="+filepath.Join(d.dir, "none"), "S3CAM_SOCKET="+a.socket)
	p := b.film(t, env, camera("gate", false, fed), camera("yard", true, fed))
	time.Sleep(4500 * time.Millisecond)
	if st := a.status(); st.err != nil || !strings.Contains(st.text, "gate") || !strings.Contains(st.text, "yard") {
		t.Errorf("status: %v\n%s", st.err, st.text)
	}
	a.kill()
	if _, err := os.Stat(a.socket); err != nil {
		t.Errorf("the socket of a killed daemon: %v", err)
	}
	time.Sleep(500 * time.Millisecond)
	a.start()
	o := p.wait(time.Minute)
	book := account(o.output)
	for cam, prefix := range []string{"gate", "yard"} {
		got := inspect(t, s.objects(t, prefix), c)
		book.balance(t, cam, fed, got.frames, 0)
		if f := book.final[cam]; f == nil || f.connects != 2 || got.frames < fed-25*4 {
			t.Errorf("%s: %d of %d frames, counters %+v\n%s", prefix, got.frames, fed, f, &got)
		}
	}
	if o.exit != 0 {
		t.Errorf("exit %d", o.exit)
	}
	again := b.film(t, env, camera("gate-2", false, 50), camera("yard-2", true, 50)).wait(time.Minute)
	for _, prefix := range []string{"gate-2", "yard-2"} {
		if got := inspect(t, s.objects(t, prefix), c); got.frames != 50 {
			t.Errorf("%s: %d of 50 frames after the firmware was started again", prefix, got.frames)
		}
	}
	again.ok(t)
	if t.Failed() {
		t.Logf("firmware:\n%s\nagain:\n%s\ndaemon:\n%s", o.output, again.output, a.log.String())
	}
}
