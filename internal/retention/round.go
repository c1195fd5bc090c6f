// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Options of a round.
type Options struct {
	DryRun   bool           // delete nothing; not bounded in time and number then
	Force    bool           // apply age limits although the clock does not agree with the footage
	SkipDisk bool           // not the disk guard
	Each     func(Deletion) // called for each segment that goes, or would go
}

// Deletion is one segment that goes.
type Deletion struct {
	Key    string
	Camera string
	Start  time.Time
	Size   int64
	Reason Reason
}

// Group is what goes of one camera for one reason.
type Group struct {
	Camera      string
	Reason      Reason
	Why         string // for people
	First, Last time.Time
	Count
}

// Report is what a round did, or would do.
type Report struct {
	Cameras int
	Groups  []Group
	Total   Count
	Folders int      // removed because they were empty from an earlier crash
	More    bool     // the round was bounded, and there is more to delete
	Notes   []string // limits that cannot be met
	Disk    *Disk
	Reserve int64
}

// pass is one round at work.
type pass struct {
	k       *Keeper
	opt     Options
	started time.Time
	rules   Rules
	rep     Report
	groups  map[groupKey]int
	gone    map[string]int64 // per camera: what may be deleted before this second is gone, or would be
	freed   int64            // bytes on disk that are, or would be, free by this round
	inodes  int64
	stopped bool
	refused map[string]bool // cameras of which the store has refused segments
	errs    []error
	failed  int
}

type groupKey struct {
	camera string
	reason Reason
}

// item is a segment that is to go.
type item struct {
	camera string
	seg
	why string
}

// Round looks at every camera once and deletes what is to go. The error says what could not be done; what is in the report was.
// It may wrap ErrClock: then age limits were not applied, but everything else was.
func (k *Keeper) Round(ctx context.Context, opt Options) (Report, error) {
	return k.round(ctx, opt, true, !opt.SkipDisk)
}

func (k *Keeper) round(ctx context.Context, opt Options, byRules, byDisk bool) (Report, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	p := &pass{k: k, opt: opt, started: k.cfg.Now(), groups: map[groupKey]int{}, gone: map[string]int64{}, refused: map[string]bool{}}
	err := p.run(ctx, byRules, byDisk)
	if opt.DryRun {
		clear(k.stocks) // they count what would be gone as gone
		return p.rep, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats.Rounds++
	k.stats.LastError = ""
	if err != nil {
		k.stats.Failed++
		k.stats.LastError = err.Error()
	} else {
		k.stats.LastRound = k.cfg.Now()
	}
	if byRules {
		k.stats.ClockRefused = errors.Is(err, ErrClock)
	}
	return p.rep, err
}

func (p *pass) run(ctx context.Context, byRules, byDisk bool) error {
	k := p.k
	var err error
	if p.rules, err = k.cfg.Rules(); err == nil {
		err = p.rules.Check()
	}
	if err != nil {
		return fmt.Errorf("retention rules: %w", err)
	}
	limited := k.cfg.Default != Limits{} || p.rules.limited()
	byDisk = byDisk && k.cfg.Disk != nil && k.cfg.Reserve != Reserve{}
	if !(byRules && limited) && !byDisk {
		return nil
	}
	cameras, err := k.cameras(ctx)
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	p.rep.Cameras = len(cameras)
	if !p.opt.DryRun {
		if err := p.sweep(ctx, cameras); err != nil {
			return err
		}
	}
	if byRules && limited {
		p.setCounting()
		if err := p.byRules(ctx, cameras); err != nil {
			return err
		}
	}
	if byDisk && !p.stopped {
		if err := p.byDisk(ctx, cameras); err != nil {
			return err
		}
	}
	if p.failed > len(p.errs) {
		p.errs = append(p.errs, fmt.Errorf("and %d more", p.failed-len(p.errs)))
	}
	return errors.Join(p.errs...)
}

// setCounting tells Stored whether anybody wants to know about late footage.
func (p *pass) setCounting() {
	counting := p.k.cfg.Default.Bytes > 0
	for _, r := range p.rules.Cameras {
		counting = counting || r.Bytes != nil && *r.Bytes > 0
	}
	p.k.mu.Lock()
	defer p.k.mu.Unlock()
	if p.k.counting = counting; !counting {
		clear(p.k.late)
		clear(p.k.stocks) // nobody tells any more what they lack
	}
}

// byRules goes through the cameras, beginning where the last bounded round has stopped.
func (p *pass) byRules(ctx context.Context, cameras []camera) error {
	k := p.k
	if i := slices.IndexFunc(cameras, func(c camera) bool { return c.id >= k.resume }); i > 0 && !p.opt.DryRun {
		cameras = slices.Concat(cameras[i:], cameras[:i])
	}
	k.resume = ""
	var clockErr error
	checked := false
	for _, c := range cameras {
		limits := p.rules.For(c.id, k.cfg.Default)
		if limits.Age > 0 && !checked {
			clockErr, checked = p.checkClock(ctx, cameras), true
			if clockErr != nil && !errors.Is(clockErr, ErrClock) {
				return clockErr
			}
			if clockErr != nil && !p.opt.Force {
				p.errs = append(p.errs, clockErr)
			}
		}
		var err error
		if limits.Age > 0 && (clockErr == nil || p.opt.Force) {
			err = p.age(ctx, c, limits.Age)
		}
		if err == nil && limits.Bytes > 0 && !p.stopped {
			err = p.bytes(ctx, c, limits.Bytes)
		}
		if err := p.note(ctx, c, err); err != nil {
			return err
		}
		if p.stopped {
			k.resume, p.rep.More = c.id, true
			return nil
		}
	}
	return nil
}

// note collects the errors of single cameras; the end of ctx, and holds that cannot be read, end the round.
func (p *pass) note(ctx context.Context, c camera, err error) error {
	var fatal *holdsError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &fatal), errors.Is(err, ErrBusy):
		return err
	}
	if p.failed++; len(p.errs) < 3 {
		p.errs = append(p.errs, fmt.Errorf("retention of %s: %w", c.id, err))
	}
	return nil
}

type holdsError struct{ err error }

func (e *holdsError) Error() string {
	return "holds cannot be read, so nothing is deleted: " + e.err.Error()
}
func (e *holdsError) Unwrap() error { return e.err }

func (p *pass) holds() ([]Hold, error) {
	holds, err := p.k.cfg.Holds()
	if err != nil {
		return nil, &holdsError{err}
	}
	return holds, nil
}

func (p *pass) age(ctx context.Context, c camera, keep time.Duration) error {
	cut := ceil(p.started.Add(-keep))
	holds, err := p.holds()
	if err != nil {
		return err
	}
	q := &queue{k: p.k, camera: c, spans: span{always.from, cut}.without(protected(holds, c.id))}
	err = p.drain(ctx, q, ByAge, "older than "+AgeText(keep), func() bool { return false })
	if err == nil && !p.stopped && !p.refused[c.id] { // what was refused counts as the camera's oldest
		p.gone[c.id] = cut
	}
	return err
}

// bytes deletes the oldest of a camera until it is within its limit.
func (p *pass) bytes(ctx context.Context, c camera, limit int64) error {
	k := p.k
	st, err := k.stockOf(ctx, c, p.started)
	if err != nil || len(st.hours) == 0 {
		return err
	}
	holds, err := p.holds()
	if err != nil {
		return err
	}
	prot := protected(holds, c.id)
	held, err := k.held(ctx, c, st, prot)
	if err != nil {
		return err
	}
	used := func() int64 { return st.total() - held }
	from, ok := p.gone[c.id]
	if !ok {
		from = always.from
	} else if p.opt.DryRun { // it was counted, but would be gone
		for _, s := range (span{always.from, from}).without(prot) {
			err := k.list(ctx, c, s.from, chunk, func(x seg) bool {
				if x.at < s.to {
					st.remove(x)
				}
				return x.at < s.to
			})
			if err != nil || len(st.hours) == 0 {
				return err
			}
		}
	}
	cut := st.newest - int64(k.cfg.MinAge/time.Second)
	oldest := st.hours[0].at * hourSeconds
	before := p.rep.Total.Segments
	var first, last int64
	if used() > limit {
		q := &queue{k: k, camera: c, spans: span{from, max(from, cut)}.without(prot)}
		if s, ok, err := q.peek(ctx); err != nil {
			return err
		} else if ok {
			first = s.at
		}
		// The batches are cut to what is needed.
		need := used() - limit
		err := p.drain(ctx, q, ByBytes, "more than "+SizeText(limit), func() bool { return need <= 0 }, func(s seg) { need -= s.size })
		last = q.last
		if err != nil {
			return err
		}
		if q.taken && !p.refused[c.id] {
			p.gone[c.id] = last + 1
		}
		if need > 0 && !p.stopped {
			p.rep.Notes = append(p.rep.Notes, fmt.Sprintf("%s has %s in its last %v, more than its %s; that much is always kept",
				c.id, SizeText(used()), k.cfg.MinAge, SizeText(limit)))
		}
	}
	if !p.opt.DryRun {
		k.setBytesEdge(c.id, st, edgeInput{deleted: p.rep.Total.Segments > before, first: first, last: last, oldest: oldest, used: used(), limit: limit}, p.started)
	}
	return nil
}

// drain deletes what q gives, in batches, until enough says so or the round is over.
func (p *pass) drain(ctx context.Context, q *queue, reason Reason, why string, enough func() bool, took ...func(seg)) error {
	for !p.stopped && !enough() {
		var items []item
		for len(items) < p.k.cfg.Batch && !enough() {
			s, ok, err := q.peek(ctx)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			q.take()
			items = append(items, item{q.camera.id, s, why})
			for _, f := range took {
				f(s)
			}
		}
		if len(items) == 0 {
			return nil
		}
		if err := p.delete(ctx, items, reason); err != nil {
			return err
		}
		p.bound()
	}
	return nil
}

// bound ends a round that has done enough for once.
func (p *pass) bound() {
	k := p.k
	p.stopped = !p.opt.DryRun && (p.rep.Total.Segments >= int64(k.cfg.MaxDeletes) || k.cfg.Now().Sub(p.started) >= k.cfg.MaxRound)
}

// delete deletes one batch, less what holds protect by now.
func (p *pass) delete(ctx context.Context, items []item, reason Reason) error {
	k := p.k
	holds, err := p.holds()
	if err != nil {
		return err
	}
	if len(holds) > 0 {
		spans := map[string][]span{}
		items = slices.DeleteFunc(items, func(it item) bool {
			prot, ok := spans[it.camera]
			if !ok {
				prot = protected(holds, it.camera)
				spans[it.camera] = prot
			}
			return within(prot, it.at)
		})
	}
	if len(items) == 0 {
		return ctx.Err()
	}
	keys := make([]string, len(items))
	for i, it := range items {
		keys[i] = segment.Key(it.camera, time.Unix(it.at, 0).UTC())
	}
	begin := k.cfg.Now()
	removed, done := len(keys), len(keys)
	if !p.opt.DryRun {
		removed, done, err = k.cfg.Delete.DeleteKeys(ctx, keys)
	}
	var refused *Refused
	if errors.As(err, &refused) && len(refused.Keys) > 0 {
		if items, keys, err = p.refuse(items, keys, done, refused); err != nil {
			p.count(items, keys, reason, removed)
			return err
		}
		done = len(items)
	}
	p.count(items[:done], keys, reason, removed)
	if err != nil {
		return err
	}
	if p.opt.DryRun {
		return ctx.Err()
	}
	return p.pause(ctx, len(keys), k.cfg.Now().Sub(begin), reason)
}

// pause waits as long as the work took, so that recording has the disk to itself half of the time; the guard, who
// must be faster than recording, a quarter of that.
func (p *pass) pause(ctx context.Context, n int, took time.Duration, reason Reason) error {
	rate := p.k.cfg.Rate
	took = min(max(0, took), p.k.cfg.MaxRound) // a clock that steps meanwhile must not make it a year
	switch {
	case rate < 0:
		return ctx.Err()
	case reason == ByDisk:
		return sleep(ctx, took/4)
	}
	return sleep(ctx, max(took, time.Duration(n)*time.Second/time.Duration(rate)-took))
}

// count notes what was deleted.
func (p *pass) count(items []item, keys []string, reason Reason, removed int) {
	k := p.k
	var sum Count
	for i, it := range items {
		sum.Segments++
		sum.Bytes += it.size
		p.addToGroup(it, reason)
		p.freed += p.onDisk(it.size)
		p.inodes++
		if st := k.stocks[it.camera]; st != nil {
			st.remove(it.seg)
		}
		if p.opt.Each != nil {
			p.opt.Each(Deletion{Key: keys[i], Camera: it.camera, Start: time.Unix(it.at, 0).UTC(), Size: it.size, Reason: reason})
		}
	}
	p.rep.Total.Segments += sum.Segments
	p.rep.Total.Bytes += sum.Bytes
	if p.opt.DryRun || sum.Segments == 0 {
		return
	}
	k.cfg.Logger.Debug("footage deleted", "segments", removed, "bytes", sum.Bytes, "reason", string(reason), "first", keys[0])
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stats.Deleted == nil {
		k.stats.Deleted = map[Reason]Count{}
	}
	c := k.stats.Deleted[reason]
	c.Segments += int64(removed)
	c.Bytes += sum.Bytes
	k.stats.Deleted[reason] = c
}

func (p *pass) addToGroup(it item, reason Reason) {
	key := groupKey{it.camera, reason}
	i, ok := p.groups[key]
	start := time.Unix(it.at, 0).UTC()
	if !ok {
		i = len(p.rep.Groups)
		p.groups[key] = i
		p.rep.Groups = append(p.rep.Groups, Group{Camera: it.camera, Reason: reason, Why: it.why, First: start})
	}
	g := &p.rep.Groups[i]
	g.Last = start
	g.Segments++
	g.Bytes += it.size
}

// sweep clears, once per process, empty folders that a crash has left before the oldest segment and behind each hold.
func (p *pass) sweep(ctx context.Context, cameras []camera) error {
	k := p.k
	if k.swept || k.sweep == nil {
		return nil
	}
	holds, err := p.holds()
	if err != nil {
		return err
	}
	for _, c := range cameras {
		afters := []string{""}
		for _, s := range protected(holds, c.id) {
			if end := time.Unix(s.to, 0).UTC(); end.Year() <= 9999 {
				afters = append(afters, segment.StartAfter(c.id, end))
			}
		}
		for _, after := range afters {
			n, err := k.sweep.RemoveEmptyFolders(ctx, c.id+"/", after)
			p.rep.Folders += n
			k.mu.Lock()
			k.stats.FoldersRemoved += int64(n)
			k.mu.Unlock()
			if err := p.note(ctx, c, err); err != nil {
				return err
			}
		}
	}
	k.swept = true
	return nil
}
