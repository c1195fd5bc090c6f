// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// ring is how many segments a camera holds that are not stored yet: the agent's 4 MiB at 5 Mbit/s.
const ring = 2

// Config says what [Run] runs.
type Config struct {
	S3cam string // the program
	Dir   string // where the store's directory is made; it is removed afterwards

	Cameras, Viewers int
	Segment          time.Duration // whole seconds
	Body             int           // bytes of a segment
	For              time.Duration // how long both run together
	Keep             time.Duration // after which segments are audited and deleted; at least what a playlist lists and a slow viewer needs

	Log io.Writer // progress; nil: none
}

func (c Config) check() error {
	var errs []error
	if c.Cameras < 1 || c.Cameras > 9999 || c.Viewers < 0 {
		errs = append(errs, fmt.Errorf("%d cameras, %d viewers", c.Cameras, c.Viewers))
	}
	if c.Segment < time.Second || c.Segment%time.Second != 0 {
		errs = append(errs, fmt.Errorf("segments of %v", c.Segment))
	}
	if c.Keep < 15*c.Segment {
		errs = append(errs, fmt.Errorf("segments are deleted after %v, which viewers may still play", c.Keep))
	}
	return errors.Join(errs...)
}
