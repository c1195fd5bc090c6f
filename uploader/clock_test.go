// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"testing"
	"time"
)

func TestClockLearns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before time.Duration // offset in use
		wrong  time.Duration // how far the device clock is ahead
		took   time.Duration // the request
		answer time.Duration // when in it the server took the time
		want   time.Duration
		within time.Duration
	}{
		{"a right clock stays", 0, 0, 100 * time.Millisecond, 50 * time.Millisecond, 0, 0},
		{"one that is a second off is left alone", 0, time.Second, 100 * time.Millisecond, 50 * time.Millisecond, 0, 0},
		{"ten minutes ahead", 0, 10 * time.Minute, 100 * time.Millisecond, 50 * time.Millisecond, -10 * time.Minute, 600 * time.Millisecond},
		{"booted in 1970", 0, -56 * 365 * 24 * time.Hour, 100 * time.Millisecond, 50 * time.Millisecond, 56 * 365 * 24 * time.Hour, 600 * time.Millisecond},
		{"an upload of 20 s dated at its start is no error", 0, 0, 20 * time.Second, 0, 0, 0},
		{"an upload of 20 s dated at its end is no error", 0, 0, 20 * time.Second, 20 * time.Second, 0, 0},
		{"a learned offset is kept while it fits", -10*time.Minute - 700*time.Millisecond, 10 * time.Minute, 100 * time.Millisecond, 0, -10*time.Minute - 700*time.Millisecond, 0},
		{"when NTP has mended the clock the offset goes", -10 * time.Minute, 0, 100 * time.Millisecond, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := wallClock{offset: tt.before}
			trueTime := time.Date(2026, 3, 9, 4, 5, 6, 400e6, time.UTC)
			header := trueTime.Add(tt.answer).Truncate(time.Second)
			received := trueTime.Add(tt.took + tt.wrong)
			changed := c.learn(header, received, tt.took)
			if got := (c.offset - tt.want).Abs(); got > tt.within {
				t.Errorf("offset %v, want %v within %v", c.offset, tt.want, tt.within)
			}
			if changed != (c.offset != tt.before) {
				t.Errorf("changed is %v", changed)
			}
			if !c.known {
				t.Error("the clock is not known after an answer")
			}
		})
	}
}

func TestClockIgnoresGarbage(t *testing.T) {
	c := wallClock{}
	for _, server := range []time.Time{{}, time.Unix(0, 0), time.Date(2019, 12, 31, 0, 0, 0, 0, time.UTC)} {
		if c.learn(server, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0) || c.known {
			t.Errorf("the answer's date %v was believed", server)
		}
	}
}

func TestStepOfTheDeviceClock(t *testing.T) {
	for _, tt := range []struct{ wall, monotonic, want time.Duration }{
		{40 * time.Millisecond, 40 * time.Millisecond, 0},
		{2040 * time.Millisecond, 40 * time.Millisecond, 0}, // within the tolerance
		{time.Hour, 40 * time.Millisecond, time.Hour - 40*time.Millisecond},
		{-time.Hour, 40 * time.Millisecond, -time.Hour - 40*time.Millisecond},
		{time.Hour, time.Hour, 0},
	} {
		if got := stepOf(tt.wall, tt.monotonic); got != tt.want {
			t.Errorf("stepOf(%v, %v) = %v, want %v", tt.wall, tt.monotonic, got, tt.want)
		}
	}
}

func TestClockReads(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		name           string
		known, movable bool
		wall, steady   time.Duration
		advance        time.Duration // of the corrected time
		owed           time.Duration
	}{
		{"an hour passes", true, false, hour, hour, hour, 0},
		{"an hour passes before any answer", false, true, hour, hour, hour, 0},
		{"a second of drift is followed", true, false, hour + time.Second, hour, hour + time.Second, 0},
		{"a step after an answer is taken out", true, false, hour + time.Minute, time.Minute, time.Minute, 0},
		{"a step before any answer is taken out and owed", false, true, hour + time.Minute, time.Minute, time.Minute, hour},
		{"a step back before any answer is taken out and owed", false, true, time.Minute - hour, time.Minute, time.Minute, -hour},
		{"a step is followed when something is stored and no server tells the time", false, false, hour + time.Minute, time.Minute, hour + time.Minute, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now, at := time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC), time.Duration(0)
			c := wallClock{now: func() time.Time { return now }, steady: func() time.Duration { return at }, offset: time.Minute, known: tt.known, movable: tt.movable}
			first := c.read()
			if !first.Equal(now.Add(time.Minute)) {
				t.Errorf("read %v, want the offset added", first)
			}
			now, at = now.Add(tt.wall), tt.steady
			if got := c.read().Sub(first); got != tt.advance || c.owed != tt.owed {
				t.Errorf("the time advances by %v and owes %v, want %v, %v", got, c.owed, tt.advance, tt.owed)
			}
		})
	}
}
