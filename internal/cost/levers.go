// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// State says what it takes to use a lever.
type State string

// The states of a lever.
const (
	BuiltIn State = "built in" // the saving is against doing without it, and is in the estimate already
	Setting State = "setting"  // a setting of the camera or of the stack
	Outside State = "outside"  // done outside of s3cam, or not built yet
)

// Lever is one way to pay less.
type Lever struct {
	Name  string
	State State
	Price string // what it takes away, in words
	Saves Amount // per camera and month; negative when it would cost more
}

// Levers estimates in again with one thing changed at a time and tells what each would save. Levers that change nothing for
// these inputs (tags where there are none) are left out. The error is that of in.Check.
func Levers(in Inputs, p Prices) ([]Lever, error) {
	now, err := Monthly(in, p)
	if err != nil {
		return nil, err
	}
	var all []Lever
	change := func(state State, name, price string, f func(*Inputs)) {
		with := in
		f(&with)
		saves := now.less(priced(quantities(with), p))
		if !saves.Empty {
			all = append(all, Lever{name, state, price, saves})
		}
	}
	for _, s := range []time.Duration{6 * time.Second, 10 * time.Second} {
		if s > in.Segment {
			change(Setting, fmt.Sprintf("segments of %v", s), fmt.Sprintf("live is some %.0f s later", 3*(s-in.Segment).Seconds()), func(i *Inputs) { i.Segment = s })
		}
	}
	if in.Duty > 0.1 {
		change(Setting, "record on events, a tenth of the time", "no footage between events", func(i *Inputs) { i.Duty = 0.1 })
	}
	change(Setting, "half the bitrate", "picture quality; a sub-stream, fewer pictures between events, a better encoder", func(i *Inputs) { i.BitsPerSecond /= 2 })
	if in.TSOverhead > 0.03 {
		change(Setting, "3 % of container", "nothing at some Mbit/s, where s3cam's own muxer has less; not reachable at low bitrates", func(i *Inputs) { i.TSOverhead = 0.03 })
	}
	if in.Retention == 0 {
		change(Setting, "keep 30 days", "older footage is deleted (VideoRetentionDays)", func(i *Inputs) { i.Retention = Month })
	} else if half := (in.Retention / 2).Truncate(24 * time.Hour); half >= 24*time.Hour {
		change(Setting, fmt.Sprintf("keep %s", days(half)), "older footage is deleted (VideoRetentionDays)", func(i *Inputs) { i.Retention = half })
	}
	if in.TagsPerSegment > 0 {
		change(Setting, "no object tags", "lifecycle rules by prefix instead", func(i *Inputs) { i.TagsPerSegment = 0 })
	}
	if poll := 3 * in.PollInterval(); poll <= 5*time.Minute {
		change(Outside, fmt.Sprintf("players that poll every %v", poll), "live is later by that, or stalls: players follow the target duration", func(i *Inputs) { i.Poll = poll })
	}
	if in.Live == Redirect {
		change(Setting, "live with signed URLs in the playlist", "nothing with default settings (LiveSegmentDelivery presign)", func(i *Inputs) { i.Live = Presign })
	}
	if in.Replay == Redirect {
		change(Setting, "replay with signed URLs in the playlist", "for ranges of up to 45 minutes; longer ones are redirected all the same (ReplaySegmentDelivery presign)", func(i *Inputs) { i.Replay = Presign })
	}
	change(Outside, "viewers in the camera's own network", "they watch a standalone server there; what is left is recording", func(i *Inputs) { i.ViewingHours, i.ReplayHours = 0, 0 })
	change(BuiltIn, "one LIST per poll instead of three", "", func(i *Inputs) { i.ListsPerPoll *= 3 })
	if in.Viewers > 1 {
		change(BuiltIn, "one shared window for all viewers", "", func(i *Inputs) { i.Viewers = 1 })
	}
	for i := range all {
		if all[i].State == BuiltIn { // estimated without the lever
			all[i].Saves.Known = -all[i].Saves.Known
		}
	}
	all = append(all, adaptive(in, p)...)
	all = append(all, compaction(in, p)...)
	all = append(all, cdn(in, p)...)
	all = append(all, glacier(in, p)...)
	return all, nil
}

// days writes a whole number of days.
func days(d time.Duration) string {
	n := int(d.Hours() / 24)
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// less is e minus other, over the lines that differ.
func (e Estimate) less(other Estimate) Amount {
	type slot struct {
		purpose Purpose
		item    Item
	}
	quantity := map[slot]float64{}
	a := Amount{Empty: true}
	for i, lines := range [][]Line{e.Lines, other.Lines} {
		sign := 1 - 2*float64(i)
		for _, l := range lines {
			quantity[slot{l.Purpose, l.Item}] += sign * l.Quantity
			a.Known += sign * l.Cost
		}
	}
	for _, lines := range [][]Line{e.Lines, other.Lines} {
		for _, l := range lines {
			if math.Abs(quantity[slot{l.Purpose, l.Item}]) > 1e-9*l.Quantity {
				a.Empty = false
				a.Unpriced = a.Unpriced || !l.Priced
			}
		}
	}
	return a
}

// amount prices quantities that are saved (positive) or added (negative). With a price missing it is not known at all, since
// what is saved and what is added belong together.
func amount(p Prices, used map[Item]float64) Amount {
	a := Amount{Empty: true}
	for _, item := range Items() {
		if q := used[item]; q != 0 {
			each, known := p.each(item)
			a.Empty = false
			a.Known += q * each
			a.Unpriced = a.Unpriced || !known
		}
	}
	if a.Unpriced {
		a.Known = 0
	}
	return a
}

// adaptive: segments of 10 s while nobody watches.
func adaptive(in Inputs, p Prices) []Lever {
	long := 10 * time.Second
	watched := min(1, in.ViewingHours/in.Viewers/Month.Hours())
	if in.Segment >= long {
		return nil
	}
	perSecond := (1 - watched) * (1/in.Segment.Seconds() - 1/long.Seconds())
	puts := Month.Seconds() * in.Duty * perSecond
	months := in.kept().Hours() / Month.Hours()
	saves := amount(p, map[Item]float64{S3Put: puts, S3Tag: puts * float64(in.TagsPerSegment) * months})
	if saves.Empty {
		return nil
	}
	return []Lever{{"segments of 10s while nobody watches", Outside, "the camera must be told when somebody does", saves}}
}

// compaction: an hour's segments are joined later.
func compaction(in Inputs, p Prices) []Lever {
	segments := Month.Seconds() * in.Duty / in.Segment.Seconds()
	if segments == 0 {
		return nil
	}
	hours := Month.Hours() * in.Duty
	months := in.kept().Hours() / Month.Hours()
	saves := amount(p, map[Item]float64{
		S3Get: -segments,
		S3Put: -hours,
		S3Tag: max(0, segments-hours) * float64(in.TagsPerSegment) * months,
	})
	return []Lever{{"joining segments to one object per hour", Outside, "reads and writes everything once more; in S3 Standard bytes cost the same in any object", saves}}
}

// cdn: CloudFront between S3 and the viewers.
func cdn(in Inputs, p Prices) []Lever {
	hours := in.ViewingHours + in.ReplayHours
	if hours == 0 {
		return nil
	}
	perHour := secondsHour / in.Segment.Seconds()
	moved := in.gibPerHour() * hours
	// Of the viewers at one time only the first reaches S3.
	gets := perHour * in.ViewingHours * (1 - 1/in.Viewers)
	saves := amount(p, map[Item]float64{Egress: moved, CDNEgress: -moved, CDNRequest: -perHour * hours, S3Get: gets})
	return []Lever{{"segments through CloudFront", Outside, "signed cookies instead of signed URLs; not built", saves}}
}

// glacier: segments are PUT into Glacier Instant Retrieval at once.
func glacier(in Inputs, p Prices) []Lever {
	segments := Month.Seconds() * in.Duty / in.Segment.Seconds()
	if segments == 0 {
		return nil
	}
	months := in.kept().Hours() / Month.Hours()
	perMonth := in.GiBPerDay() * 30
	saves := amount(p, map[Item]float64{
		S3Put: segments, GlacierPut: -segments,
		S3Storage: perMonth * months, GlacierStorage: -perMonth * max(months, glacierMonths),
	})
	price := "not built; reading costs extra"
	if at, ok := GlacierBreakEven(in, p); ok {
		price = fmt.Sprintf("pays from %.1f months of retention on; %s", at, price)
	}
	return []Lever{{"Glacier Instant Retrieval from the start", Outside, price, saves}}
}

// glacierMonths is the least time that Glacier Instant Retrieval bills.
const glacierMonths = 3

// GlacierBreakEven is the retention in months from which on it is cheaper to PUT segments into Glacier Instant Retrieval,
// reading left aside. It is false when prices are missing, or when that is never so.
func GlacierBreakEven(in Inputs, p Prices) (months float64, ok bool) {
	var price [4]float64
	for i, item := range []Item{S3Put, GlacierPut, S3Storage, GlacierStorage} {
		if price[i], ok = p.each(item); !ok {
			return 0, false
		}
	}
	segments := Month.Seconds() * in.Duty / in.Segment.Seconds()
	perMonth := in.GiBPerDay() * 30
	dearer := segments * (price[1] - price[0])
	// Below three months Glacier bills three; beyond, both grow.
	short := (perMonth*glacierMonths*price[3] + dearer) / (perMonth * price[2])
	if short <= glacierMonths {
		return max(0, short), true
	}
	long := dearer / (perMonth * (price[2] - price[3]))
	if price[2] <= price[3] || math.IsNaN(long) || math.IsInf(long, 0) {
		return 0, false
	}
	return long, true
}

// SortLevers puts the largest saving first; those that are built in come last.
func SortLevers(all []Lever) {
	slices.SortStableFunc(all, func(a, b Lever) int {
		if (a.State == BuiltIn) != (b.State == BuiltIn) {
			if a.State == BuiltIn {
				return 1
			}
			return -1
		}
		switch {
		case a.Saves.Known > b.Saves.Known:
			return -1
		case a.Saves.Known < b.Saves.Known:
			return 1
		}
		return 0
	})
}
