// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/cost"
	"github.com/s3cam/s3cam/internal/hint"
)

type costCmd struct {
	Bitrate       bitRate  `default:"5M" help:"Video and audio of one camera, as 800k, 5M or bits per second."`
	Segment       seconds  `default:"3s" help:"Length of the segments, 1s to 60s."`
	Retention     keepTime `default:"7d" help:"How long footage is kept, as 7d or 36h (CloudFormation: VideoRetentionDays). 0: for ever; then --month counts."`
	Month         int      `default:"12" help:"With --retention 0: the month after the start that is looked at."`
	Cameras       int      `default:"1" help:"Number of cameras like this one."`
	ViewingHours  seconds  `default:"10h" help:"Live viewing per camera and month, of all viewers together."`
	Viewers       float64  `default:"1" help:"How many watch the same camera at the same time, when anybody does."`
	ReplayHours   seconds  `default:"2h" help:"Replay per camera and month, of all viewers together."`
	Duty          float64  `default:"1" help:"Part of the time in which the camera records: 1 is always, 0.1 a tenth."`
	TSOverhead    float64  `name:"ts-overhead" default:"0.03" help:"What MPEG-TS adds: 0.03 is 3 %, as s3cam has at some Mbit/s. Below 1 Mbit/s it is more; s3cam probe shows it."`
	TagsPerSeg    int      `name:"tags-per-segment" default:"0" help:"S3 object tags of each segment."`
	Poll          seconds  `placeholder:"DURATION" help:"How often a live player asks. Default: each target duration, that is the segment length in whole seconds."`
	Delivery      string   `default:"presign" enum:"presign,redirect" help:"How live players get segments (CloudFormation: LiveSegmentDelivery)."`
	ReplayDeliver string   `name:"replay-delivery" default:"redirect" enum:"presign,redirect" help:"The same for replay (CloudFormation: ReplaySegmentDelivery)."`
	MemoryMB      int      `name:"memory-mb" default:"512" help:"Memory of the playlist function."`
	ReplayMemory  int      `name:"replay-memory-mb" default:"1024" help:"Memory of the replay function."`
	LambdaMS      float64  `name:"lambda-ms" default:"50" help:"Billed milliseconds of a live poll: an assumption, CloudWatch tells the truth."`
	ReplayMS      float64  `name:"replay-ms" default:"500" help:"Billed milliseconds of a replay playlist of one hour: an assumption."`
	RedirectMS    float64  `name:"redirect-ms" default:"5" help:"Billed milliseconds of one redirect: an assumption."`
	Prices        string   `placeholder:"FILE" help:"Price file; --print-prices shows the format. Without it: a built-in example."`
	RegionLike    string   `default:"us-east-1" enum:"us-east-1,cn-north-1" help:"Which built-in example: us-east-1 (USD, remembered), cn-north-1 (CNY, the two prices of the deployment manual)."`
	Currency      string   `placeholder:"CODE" help:"Refuse prices in another currency than this, as USD. Nothing is converted."`
	PrintPrices   bool     `help:"Print the prices as a price file, to be edited."`
	Manual        bool     `help:"Repeat the arithmetic of the deployment manual of 2021, name its slips and calculate it again."`
	JSON          bool     `help:"Print it as JSON."`
}

func (costCmd) Help() string {
	return `Estimates the month (30 days) of cameras on AWS: what is recorded, what is watched, and what each lever would save. Nothing is
asked over the network. The built-in prices are examples that were not looked up: check them before you rely on a figure.

Examples:
  s3cam cost --bitrate 2M --retention 30d --cameras 20
  s3cam cost --print-prices >prices.json     # edit, then:
  s3cam cost --prices prices.json --viewing-hours 200h --viewers 4
  s3cam cost --manual`
}

// bitRate is a number of bits per second, written with k, M or G.
type bitRate float64

func (b *bitRate) UnmarshalText(text []byte) error {
	s := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(string(text), "bps"), "bit/s"), "bit")
	factor := 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9} {
		if cut, ok := strings.CutSuffix(s, suffix); ok {
			s, factor = cut, f
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return fmt.Errorf("%q is no bitrate; write 800k, 5M or a number of bits per second", text)
	}
	*b = bitRate(n * factor)
	return nil
}

// keepTime is a duration that may be written in days. A bare number has no obvious unit here, so only 0 may stand alone.
type keepTime time.Duration

func (k *keepTime) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "0" {
		*k = 0
		return nil
	}
	if number, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(number, 64); err == nil && n >= 0 && n < 1e5 {
			*k = keepTime(n * 24 * float64(time.Hour))
			return nil
		}
	} else if d, err := time.ParseDuration(s); err == nil {
		*k = keepTime(d)
		return nil
	}
	return fmt.Errorf("%q is no time to keep footage; write 7d, 36h, or 0 for ever", text)
}

func (c *costCmd) Run(g *globals) error {
	if c.Manual {
		return c.manual(g)
	}
	prices, err := c.prices()
	if err != nil {
		return err
	}
	if c.PrintPrices {
		_, err := g.out.Write(prices.Format())
		return err
	}
	in := c.inputs()
	if err := in.Check(); err != nil {
		return kinded{err, errUsage}
	}
	r, err := newCostReport(in, prices)
	if err != nil {
		return err
	}
	if c.JSON {
		return r.json(g.out)
	}
	return r.text(g.out)
}

func (c *costCmd) inputs() cost.Inputs {
	ms := func(v float64) time.Duration {
		if !(v >= 0 && v < 1e9) {
			return -1 // Check names it
		}
		return time.Duration(v * float64(time.Millisecond))
	}
	in := cost.DefaultInputs()
	in.BitsPerSecond, in.TSOverhead, in.Segment, in.Duty = float64(c.Bitrate), c.TSOverhead, c.Segment.d(), c.Duty
	in.Retention, in.NthMonth, in.Cameras = time.Duration(c.Retention), c.Month, c.Cameras
	in.ViewingHours, in.Viewers, in.ReplayHours = c.ViewingHours.d().Hours(), c.Viewers, c.ReplayHours.d().Hours()
	in.Live, in.Replay, in.Poll = cost.Delivery(c.Delivery), cost.Delivery(c.ReplayDeliver), c.Poll.d()
	in.TagsPerSegment, in.MemoryMB, in.ReplayMemoryMB = c.TagsPerSeg, c.MemoryMB, c.ReplayMemory
	in.LiveTime, in.ReplayTime, in.RedirectTime = ms(c.LambdaMS), ms(c.ReplayMS), ms(c.RedirectMS)
	return in
}

func (c *costCmd) prices() (cost.Prices, error) {
	p, ok := cost.Example(c.RegionLike)
	if !ok {
		return p, usage("--region-like: no example for %q", c.RegionLike)
	}
	if c.Prices != "" {
		text, err := readUpTo(c.Prices, cost.MaxPriceFile+1)
		if err != nil {
			return p, fmt.Errorf("--prices: %w", err)
		}
		if p, err = cost.ParsePrices(text); err != nil {
			return p, hint.With(fmt.Errorf("--prices %s: %w", c.Prices, err), "`s3cam cost --print-prices` prints a price file to start from")
		}
	}
	if c.Currency != "" && c.Currency != p.Currency {
		err := usage("--currency %s: the prices are in %s, and nothing is converted", c.Currency, p.Currency)
		return p, hint.With(err, "give prices in %s by --prices, or choose another example by --region-like", c.Currency)
	}
	return p, nil
}

// readUpTo reads at most limit bytes of a file.
func readUpTo(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return text, errors.Join(err, f.Close())
}
