// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net"
	"os"
	"strconv"
	"time"
)

const healthEvery = 10 * time.Second

// keepHealth tells watchdogs, and saves the state now and then, until done is closed.
func (a *Agent) keepHealth(done <-chan struct{}) {
	every, watchdog := healthEvery, false
	if d := a.watchdogInterval(); d > 0 {
		every, watchdog = min(every, d), true
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		a.checkHealth(watchdog)
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

func (a *Agent) checkHealth(watchdog bool) {
	healthy := true
	for _, cam := range a.cameraList() {
		a.state.learn(cam.up)
		cam.retrySpool()
		problem := cam.unhealthy(a.cfg.Unhealthy)
		healthy = healthy && problem == ""
		cam.tell(problem)
	}
	a.state.keep()
	if watchdog {
		a.notify("WATCHDOG=1") // we are alive; a dead network is no reason to start again
	}
	if a.cfg.Heartbeat != "" && healthy && len(a.streamTroubles()) == 0 {
		if err := touch(a.cfg.Heartbeat, time.Now()); err != nil {
			a.log.Warn("heartbeat file cannot be written", "error", err)
		}
	}
}

// tell logs that the camera is in trouble, and why, and when that is over. A network that is down says nothing of itself.
func (c *camera) tell(problem string) {
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	switch {
	case closing: // unhealthy says nothing of it any more; what it could not store is logged at the end
		return
	case problem != "" && !c.sick:
		c.log.Warn("camera is unhealthy", "problem", problem)
	case problem == "" && c.sick:
		c.log.Info("camera is healthy again")
	}
	c.sick = problem != ""
}

func touch(path string, now time.Time) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chtimes(path, now, now)
}

// unhealthy says why a camera needs care, "" when it does not: uploads have been failing, or no picture has come, for longer than
// after, or footage was lost in the last minute.
func (c *camera) unhealthy(after time.Duration) string {
	st := c.up.Stats()
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.Failures == 0 {
		c.failing = time.Time{}
	} else if c.failing.IsZero() {
		c.failing = now
		if !st.LastErrorAt.IsZero() {
			c.failing = st.LastErrorAt.Add(-st.ClockOffset)
		}
	}
	if c.closing {
		return ""
	}
	silent := c.born
	if !c.lastFrame.IsZero() {
		silent = c.lastFrame
	}
	switch {
	case !c.failing.IsZero() && now.Sub(c.failing) >= after:
		return "uploads fail since " + clock(c.failing.Add(st.ClockOffset)) + ": " + st.LastError
	case !c.lastLoss.IsZero() && now.Sub(c.lastLoss) < time.Minute:
		return "footage was lost " + now.Sub(c.lastLoss).Round(time.Second).String() + " ago"
	case now.Sub(silent) >= after && !c.parted:
		return "no picture since " + clock(silent.Add(st.ClockOffset))
	case c.spool != nil && c.spool.problem() != nil:
		return "no spool: " + c.spool.problem().Error()
	case !c.put.started.Load() && now.Sub(c.born) >= after:
		return "the firmware has not started uploads"
	}
	return ""
}

// notify tells systemd, or whoever has set NOTIFY_SOCKET. It does nothing elsewhere, and nothing when the firmware has started us: then
// the variable speaks of the firmware's service, in whose name we must not say that all is well.
func (a *Agent) notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" || a.cfg.FD != 0 {
		return
	}
	if name[0] == '@' {
		name = "\x00" + name[1:]
	}
	c, err := net.DialTimeout("unixgram", name, time.Second)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte(state))
}

// watchdogInterval is half of what systemd wants to hear from us within, 0 when it does not. WATCHDOG_PID says whom it means.
func (a *Agent) watchdogInterval() time.Duration {
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err != nil || us <= 0 || a.cfg.FD != 0 || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return max(time.Duration(us)*time.Microsecond/2, 100*time.Millisecond)
}
