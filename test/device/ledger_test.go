// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"strconv"
	"strings"
	"testing"
)

// counters is what the handle API told at some time.
type counters struct {
	lostVideo, lostAgents, connects, video, settled, stored, dropped, pending, spooled, failed, lastError int
}

// ledger is what a firmware that uses the handle API knows about its own losses, by camera.
type ledger struct {
	samples [2][]counters
	final   [2]*counters // after settle, before the end
	drops   [2]int       // pictures, as on_drop told
	agents  [2]int       // of them, with an agent
	events  []string
}

// account reads the lines of the player compiled with -DHANDLE.
func account(output string) *ledger {
	var l ledger
	for _, line := range strings.Split(output, "\n") {
		f := strings.Fields(line)
		if len(f) < 2 || f[1] != "0" && f[1] != "1" {
			continue
		}
		cam := int(f[1][0] - '0')
		value := map[string]int{}
		for i := 2; i+1 < len(f); i += 2 {
			value[f[i]], _ = strconv.Atoi(f[i+1])
		}
		switch f[0] {
		case "counters", "final":
			c := counters{
				value["lost_video"], value["lost_agents"], value["connects"], value["video"], value["settled"], value["stored"], value["dropped"],
				value["pending"], value["spooled"], value["failed"], value["error"],
			}
			l.samples[cam] = append(l.samples[cam], c)
			if f[0] == "final" {
				l.final[cam] = &c
			}
		case "drop":
			l.drops[cam] += value["frames"]
			if value["reason"] == 7 {
				l.agents[cam] += value["frames"]
			}
			l.events = append(l.events, line)
		}
	}
	return &l
}

// balance compares a camera's ledger with the bucket. All agents together got what was not lost on the way to them; what each of them stored,
// spooled or dropped it has told, but for its last second, and that is in lostAgents. So what is in the bucket is what was fed less what
// is counted as lost, exactly when no agent died, and up to what the dead agents did not come to tell otherwise. unsure is how many
// pictures more may be counted: a segment whose answer was cut off and that then had to make room counts as lost, though the server has it.
func (l *ledger) balance(t testing.TB, cam, fed, readable, unsure int) {
	t.Helper()
	c := l.final[cam]
	if c == nil {
		t.Errorf("camera %d: the program told no final counters", cam)
		return
	}
	if c.settled != c.video {
		t.Errorf("camera %d: %d of %d pictures are settled at the end", cam, c.settled, c.video)
	}
	// Drops by agents before the last one: on_drop told them; those of the last one are in its counters, more exactly.
	earlier := l.drops[cam] - l.agents[cam]
	told := 0
	if c.connects == 1 {
		told = c.dropped
	} else {
		told = max(earlier, c.dropped) + l.gaps(cam)
	}
	lost := c.lostVideo + c.lostAgents + told
	switch {
	case c.connects == 1 && (readable < fed-lost || readable > fed-lost+unsure):
		t.Errorf("camera %d: %d pictures fed, %d readable, %d counted as lost (%+v)", cam, fed, readable, lost, *c)
	case fed-readable > lost:
		t.Errorf("camera %d: %d of %d pictures are missing, only %d are counted as lost (%+v)", cam, fed-readable, fed, lost, *c)
	}
	t.Logf("camera %d: %d fed, %d readable; counted as lost: %d not taken, %d with an agent, %d dropped; %d agents", cam, fed, readable, c.lostVideo, c.lostAgents, told, c.connects)
}

// gaps are pictures that agents counted as dropped beyond the segments that on_drop told of: those between a loss and the next key frame.
func (l *ledger) gaps(cam int) (n int) {
	var last counters
	for _, c := range append(l.samples[cam], counters{connects: -1}) {
		if c.connects != last.connects {
			n += last.dropped
		}
		last = c
	}
	return max(0, n-(l.drops[cam]-l.agents[cam]))
}
