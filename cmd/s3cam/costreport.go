// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/cost"
)

// costReport is what `s3cam cost` says.
type costReport struct {
	in                    cost.Inputs
	prices                cost.Prices
	month, live, replayed cost.Estimate
	levers                []cost.Lever
}

func newCostReport(in cost.Inputs, prices cost.Prices) (r costReport, err error) {
	r.in, r.prices = in, prices
	if r.month, err = cost.Monthly(in, prices); err != nil {
		return r, err
	}
	if r.live, err = cost.LiveHour(in, prices); err != nil {
		return r, err
	}
	if r.replayed, err = cost.ReplayHour(in, prices); err != nil {
		return r, err
	}
	if r.levers, err = cost.Levers(in, prices); err != nil {
		return r, err
	}
	cost.SortLevers(r.levers)
	return r, nil
}

// money writes an amount; a question mark stands for what has no price.
func money(a cost.Amount) string {
	switch {
	case a.Empty:
		return ""
	case a.Unpriced && a.Known == 0:
		return "?"
	}
	s := fmt.Sprintf("%.2f", a.Known)
	if v := math.Abs(a.Known); v < 0.095 && v >= 0.00005 {
		s = fmt.Sprintf("%.4f", a.Known)
	}
	if a.Unpriced {
		s += "+?"
	}
	return s
}

func times(a cost.Amount, n int) cost.Amount {
	a.Known *= float64(n)
	return a
}

func (r costReport) text(w io.Writer) error {
	var b strings.Builder
	in, p := r.in, r.prices
	fmt.Fprintf(&b, "%s per month of 30 days, prices of %s as of %s\n", p.Currency, printable(p.Region), p.Date)
	fmt.Fprintf(&b, "  %s\n\n", printable(p.Source))
	many := "1 camera"
	if in.Cameras != 1 {
		many = fmt.Sprintf("%d cameras", in.Cameras)
	}
	kept := fmt.Sprintf("kept %s", keepText(in.Retention))
	if in.Retention == 0 {
		kept = fmt.Sprintf("kept for ever: the end of month %d", in.NthMonth)
	}
	fmt.Fprintf(&b, "%s, each %s in segments of %v, recording %.3g %% of the time, %.2f GiB a day, %s\n", many, bitText(in.BitsPerSecond), in.Segment, in.Duty*100, in.GiBPerDay(), kept)
	fmt.Fprintf(&b, "watched live %.4g h (%.4g at a time, a poll each %v, %s), replayed %.4g h (%s)\n\n", in.ViewingHours, in.Viewers, in.PollInterval(), in.Live, in.ReplayHours, in.Replay)

	row := func(name string, cells ...string) {
		line := fmt.Sprintf("%-16s", name)
		for _, c := range cells {
			line += fmt.Sprintf("%13s", c)
		}
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	row("", "recording", "live", "replay", "one camera")
	for _, s := range append(cost.Services(), "") {
		if r.month.Sum("", s).Empty && s != "" {
			continue
		}
		name := string(s)
		if s == "" {
			name = "Total"
		}
		var cells []string
		for _, purpose := range append(cost.Purposes(), "") {
			cells = append(cells, money(r.month.Sum(purpose, s)))
		}
		row(name, cells...)
	}
	if in.Cameras != 1 {
		row("All cameras", "", "", "", money(times(r.month.Total(), in.Cameras)))
	}
	b.WriteString("\n")
	if in.Retention == 0 {
		next := in
		next.NthMonth++
		if later, err := cost.Monthly(next, p); err == nil {
			fmt.Fprintf(&b, "Without retention it grows by %.2f each month and camera.\n", later.Total().Known-r.month.Total().Known)
		}
	}
	hour := func(e cost.Estimate) string {
		whole, egress := e.Total(), e.Sum("", cost.EgressService)
		if whole.Unpriced {
			return "cannot be told without prices"
		}
		return fmt.Sprintf("costs %.4f, of which egress %.4f", whole.Known, egress.Known)
	}
	fmt.Fprintf(&b, "An hour of live for one viewer %s; an hour of replay %s.\n", hour(r.live), hour(r.replayed))
	if missing := r.month.Missing(); len(missing) > 0 {
		fmt.Fprintf(&b, "? has no price: %s\n", join(missing))
	}
	fmt.Fprintf(&b, "\nWhat would change it, %s per month and camera; negative costs more\n", p.Currency)
	for _, l := range r.levers {
		saves := money(l.Saves)
		state := string(l.State)
		note := l.Price
		if l.State == cost.BuiltIn {
			note = "saved already, it is in the figures above"
		}
		fmt.Fprintf(&b, "%10s  %s [%s]\n%12s%s\n", saves, l.Name, state, "", note)
	}
	fmt.Fprintf(&b, "\nAssumed, not measured on AWS: %v, %v and %v of billed time for a poll, a replay playlist of an hour and a redirect;\n"+
		"%.0f bytes of log per call. Not in it: free tiers, volume discounts, tax, the web site, camera credentials.\n", in.LiveTime, in.ReplayTime, in.RedirectTime, in.LogBytes)
	_, err := io.WriteString(w, b.String())
	return err
}

func join(items []cost.Item) string {
	var all []string
	for _, i := range items {
		all = append(all, string(i))
	}
	return strings.Join(all, ", ")
}

func bitText(bps float64) string {
	if bps >= 1e6 {
		return fmt.Sprintf("%.4g Mbit/s", bps/1e6)
	}
	return fmt.Sprintf("%.4g kbit/s", bps/1e3)
}

func keepText(d time.Duration) string {
	days := d.Hours() / 24
	if days == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%.4g days", days)
}

type amountJSON struct {
	Known    float64 `json:"known"`
	Unpriced bool    `json:"unpriced"` // something in it has no price and is not in known
}

func amountOf(a cost.Amount) amountJSON { return amountJSON{a.Known, a.Unpriced} }

func (r costReport) json(w io.Writer) error {
	type leverJSON struct {
		Name  string     `json:"name"`
		State cost.State `json:"state"`
		Price string     `json:"price,omitempty"`
		Saves amountJSON `json:"saves"`
	}
	in := r.in
	out := struct {
		Currency   string                      `json:"currency"`
		Region     string                      `json:"region"`
		Date       string                      `json:"date"`
		Source     string                      `json:"source"`
		Inputs     map[string]any              `json:"inputs"`
		Lines      []cost.Line                 `json:"lines"` // one camera, one month
		Purposes   map[cost.Purpose]amountJSON `json:"purposes"`
		Services   map[cost.Service]amountJSON `json:"services"`
		Camera     amountJSON                  `json:"camera"`
		AllCameras amountJSON                  `json:"all_cameras"`
		LiveHour   amountJSON                  `json:"live_hour"`
		ReplayHour amountJSON                  `json:"replay_hour"`
		Missing    []cost.Item                 `json:"unpriced_items"`
		Levers     []leverJSON                 `json:"levers"` // per camera and month
	}{
		Currency: r.prices.Currency, Region: r.prices.Region, Date: r.prices.Date, Source: r.prices.Source,
		Inputs: map[string]any{
			"bits_per_second": in.BitsPerSecond, "ts_overhead": in.TSOverhead, "segment_seconds": in.Segment.Seconds(), "duty": in.Duty,
			"retention_seconds": in.Retention.Seconds(), "month": in.NthMonth, "cameras": in.Cameras, "viewing_hours": in.ViewingHours,
			"viewers": in.Viewers, "replay_hours": in.ReplayHours, "live_delivery": in.Live, "replay_delivery": in.Replay,
			"poll_seconds": in.PollInterval().Seconds(), "tags_per_segment": in.TagsPerSegment, "lists_per_poll": in.ListsPerPoll,
			"write_units": in.WriteUnits, "read_units": in.ReadUnits, "memory_mb": in.MemoryMB, "replay_memory_mb": in.ReplayMemoryMB,
			"live_seconds": in.LiveTime.Seconds(), "replay_seconds": in.ReplayTime.Seconds(), "redirect_seconds": in.RedirectTime.Seconds(),
			"live_playlist_bytes": in.LivePlaylistBytes, "replay_entry_bytes": in.ReplayEntryBytes, "redirect_bytes": in.RedirectBytes, "log_bytes": in.LogBytes,
		},
		Lines: r.month.Lines, Purposes: map[cost.Purpose]amountJSON{}, Services: map[cost.Service]amountJSON{},
		Camera: amountOf(r.month.Total()), AllCameras: amountOf(times(r.month.Total(), in.Cameras)),
		LiveHour: amountOf(r.live.Total()), ReplayHour: amountOf(r.replayed.Total()),
		Missing: append([]cost.Item{}, r.month.Missing()...),
	}
	for _, purpose := range cost.Purposes() {
		out.Purposes[purpose] = amountOf(r.month.Sum(purpose, ""))
	}
	for _, s := range cost.Services() {
		out.Services[s] = amountOf(r.month.Sum("", s))
	}
	for _, l := range r.levers {
		out.Levers = append(out.Levers, leverJSON{l.Name, l.State, l.Price, amountOf(l.Saves)})
	}
	return printJSON(w, out)
}

// manual prints what the deployment manual calculates.
func (c *costCmd) manual(g *globals) error {
	steps := cost.Manual()
	if c.JSON {
		return printJSON(g.out, steps)
	}
	var b strings.Builder
	b.WriteString("The cost example of the deployment manual (2021): one camera of 5 Mbit/s, segments of 3 s, 7 days, CNY per month\n\n")
	for _, s := range steps {
		fmt.Fprintf(&b, "%-40s %8.2f %-4s = %s\n", s.What, s.Value, s.Unit, s.Expression)
		if s.Slip != "" {
			fmt.Fprintf(&b, "    wrong: %s\n", s.Slip)
		}
	}
	b.WriteString("\nIt leaves out what watching costs; `s3cam cost` with a price file of your region has that.\n")
	_, err := io.WriteString(g.out, b.String())
	return err
}
