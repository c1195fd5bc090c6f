// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// clockEnv names a file with the seconds to add to the wall clock of an agent that is built with clockOverlay.
const clockEnv = "DEVICE_TEST_CLOCK"

// clockSource is what such an agent's time package has besides: the file is mapped, since time.Now may run where no call can be made.
const clockSource = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var testStep = new(atomic.Int64)

func init() {
	name, ok := syscall.Getenv("` + clockEnv + `")
	if !ok {
		return
	}
	fd, err := open(name)
	if err != nil {
		panic(name)
	}
	b, err := syscall.Mmap(int(fd), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(name)
	}
	closefd(fd)
	testStep = (*atomic.Int64)(unsafe.Pointer(&b[0]))
}
`

// clockOverlay writes the overlay for go build that gives time.Now the clock of a test. Cameras have their clock from the kernel; here
// several devices with wrong clocks live on one machine, and the program is statically linked, so that nothing can be preloaded. The
// toolchain to build with is another name for the one in use: files below the module cache, where downloaded ones are, may not be replaced.
func clockOverlay(dir string) (file, toolchain string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", "", err
	}
	toolchain = filepath.Join(dir, "toolchain")
	if err := os.Symlink(strings.TrimSpace(string(root)), toolchain); err != nil {
		return "", "", err
	}
	folder := filepath.Join(toolchain, "src", "time")
	src, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return "", "", err
	}
	const line = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {"
	if bytes.Count(src, []byte(line)) != 1 {
		return "", "", errors.New("time.Now of this toolchain is not what the test knows how to patch")
	}
	src = bytes.Replace(src, []byte(line), []byte(strings.Replace(line, "\n", "\n\tsec += testStep.Load()\n", 1)), 1)
	patched, added := filepath.Join(dir, "time.go"), filepath.Join(dir, "testclock.go")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(folder, "time.go"): patched, filepath.Join(folder, "testclock.go"): added,
	}})
	file = filepath.Join(dir, "overlay.json")
	return file, toolchain, errors.Join(err, os.WriteFile(patched, src, 0o644), os.WriteFile(added, []byte(clockSource), 0o644), os.WriteFile(file, list, 0o644))
}

// wrongClock is the wall clock of one device.
type wrongClock struct{ file string }

func newClock(t testing.TB) *wrongClock {
	t.Helper()
	c := &wrongClock{filepath.Join(t.TempDir(), "clock")}
	c.set(t, 0)
	return c
}

func (c *wrongClock) env() string { return clockEnv + "=" + c.file }

// set makes the clock wrong by so much: positive is fast.
func (c *wrongClock) set(t testing.TB, by time.Duration) {
	t.Helper()
	f, err := os.OpenFile(c.file, os.O_WRONLY|os.O_CREATE, 0o644) // written in place: agents have it mapped
	if err == nil {
		_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by/time.Second)), 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// A device with a wrong clock, and one whose clock is stepped: the first segments already lie under the right keys, nothing is overwritten or
// lost, and signing heals within one round trip.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	b := build(t, clocked)
	c := encode(t, small)
	year := 365 * 24 * time.Hour
	for _, tt := range []struct {
		name     string
		off      time.Duration // of the device, at the start
		step     time.Duration // of the device, after 5 s
		settings []string
		floor    bool // the agent needs to know when it was built, to verify certificates
		refused  bool // the certificate cannot be verified, so nothing is sent
	}{
		{name: "right"},
		{name: "20 minutes slow", off: -20 * time.Minute},
		{name: "20 minutes fast", off: 20 * time.Minute},
		{name: "three minutes fast, which S3 does not mind", off: 3 * time.Minute},
		{name: "begins in 1970", off: -time.Since(time.Unix(100, 0)), floor: true},
		{name: "begins in 1970, and the server's time is taken", off: -time.Since(time.Unix(100, 0)), settings: []string{"S3CAM_SERVER_TIME=true"}},
		{name: "ten years ahead, and the server's time is taken", off: 10 * year, settings: []string{"S3CAM_SERVER_TIME=true"}},
		{name: "ten years ahead, strict", off: 10 * year, refused: true},
		{name: "steps back by an hour", step: -time.Hour},
		{name: "steps ahead by an hour", step: time.Hour},
		{name: "20 minutes fast, then set right", off: 20 * time.Minute, step: -20 * time.Minute},
		{name: "begins in 1970, then set right", off: -time.Since(time.Unix(100, 0)), step: time.Since(time.Unix(100, 0)), floor: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := exec.Command("git", "rev-parse", "HEAD").Run(); tt.floor && err != nil {
				t.Skipf("SKIPPED, NOT TESTED: not a git checkout, so programs do not know when they were built: %v", err)
			}
			s := newStore(t)
			f := newFront(t, s, leaf{})
			clock := newClock(t)
			clock.set(t, tt.off)
			d := newDevice(t, s.ca, append([]string{"S3CAM_SEGMENT=1s", "S3CAM_DRAIN=5s", clock.env()}, tt.settings...)...)
			const fed = 250
			sc := newScript(t).initialize(1<<20, region, bucketName, prefix, f.addr).credential(rootKey).start().zero()
			feed{clip: c, frames: fed, speed: 1}.write(sc).finalize()
			began := time.Now()
			p := b.play(t, d.env, sc)
			if tt.step != 0 {
				timer := time.AfterFunc(5*time.Second, func() { clock.set(t, tt.off+tt.step) })
				defer timer.Stop()
			}
			r := &result{clip: c, fed: fed, store: s, outcome: p.wait(time.Minute)}
			p.gone(time.Minute)
			r.audit = inspect(t, s.objects(t, prefix), c)
			seen := f.seen()
			if tt.refused {
				if len(r.audit.segments) > 0 || len(seen) > 0 {
					t.Errorf("%d segments, %d requests; want none to a server that cannot be verified", len(r.audit.segments), len(seen))
				}
				return
			}
			r.complete(t)
			refused := 0
			for _, q := range seen {
				if q.method == "PUT" && q.status == 403 {
					refused++
				}
			}
			if refused > 1 {
				t.Errorf("%d uploads were refused, want 1 at most", refused)
			}
			for i, g := range r.audit.segments {
				if _, at, _ := segment.ParseKey(g.key); at.Before(began.Add(-2*time.Second)) || at.After(began.Add(20*time.Second)) {
					t.Errorf("segment %d is %s, want it within the 20 s after %v", i, g.key, began.UTC())
				}
			}
			if t.Failed() {
				for _, q := range seen {
					t.Logf("%s %s %s: %d", q.at.Format("05.000"), q.method, q.key, q.status)
				}
				t.Logf("%s\nthe device said:\n%s", &r.audit, r.output)
			}
		})
	}
}
