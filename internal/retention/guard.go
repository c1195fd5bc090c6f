// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"container/heap"
	"context"
	"errors"
	"time"
)

// guardState is what the disk guard remembers between two looks.
type guardState struct {
	freeBefore int64 // before it deleted last
	freed      int64 // what that should have given
	returned   int64 // what it gave at once; some file systems take a while
	fruitless  int   // times in a row that it did not
	wait       time.Duration
	aiming     bool // a bounded round has not come to the reserve and a tenth yet
}

// low tells whether less than the reserve is free, and how many bytes and inodes short of the aim the disk is.
func (k *Keeper) low(d Disk) (low bool, bytes, inodes, reserve int64) {
	reserve = k.cfg.Reserve.Of(d.Total)
	low = d.Free < reserve
	bytes = reserve + reserve/guardSlack - d.Free
	if d.Inodes > 0 {
		keep := int64(inodeShare * float64(d.Inodes))
		low = low || d.FreeInodes < keep
		inodes = keep + keep/guardSlack - d.FreeInodes
	}
	return low, max(0, bytes), max(0, inodes), reserve
}

// guardRound looks at the disk, deletes if need be, and returns after how long to look again.
func (k *Keeper) guardRound(ctx context.Context) time.Duration {
	d, err := k.cfg.Disk()
	if err != nil {
		k.complain("disk", err)
		return k.cfg.GuardEvery
	}
	low, _, _, _ := k.low(d)
	k.noteDisk(d, low, false)
	g := &k.guard
	if !low && !g.aiming {
		*g = guardState{}
		return k.cfg.GuardEvery
	}
	if g.freed > 0 && max(g.returned, d.Free-g.freeBefore) < g.freed/4 {
		g.fruitless = min(g.fruitless+1, 30)
	} else {
		g.fruitless = 0
	}
	if g.fruitless >= fruitlessMost {
		k.complain("disk", errNoReturn)
		g.wait = min(max(g.wait, k.cfg.GuardEvery)*2, maxBackOff)
	} else {
		g.wait = 0
	}
	g.freeBefore = d.Free
	rep, err := k.round(ctx, Options{}, false, true)
	if err != nil && ctx.Err() == nil {
		k.complain("disk", err)
	}
	g.returned = 0
	if after, err := k.cfg.Disk(); err == nil {
		g.returned = after.Free - d.Free
	}
	g.freed = 0
	for _, group := range rep.Groups {
		g.freed += group.Bytes
	}
	if rep.Total.Segments > 0 {
		k.cfg.Logger.Info("disk is low: oldest footage deleted", "segments", rep.Total.Segments, "bytes", rep.Total.Bytes,
			"free", d.Free, "reserve", rep.Reserve)
	}
	if err == nil && rep.Total.Segments == 0 {
		k.complain("disk", errNothingLeft)
		return max(k.cfg.GuardEvery, nothingWait)
	}
	return max(k.cfg.GuardEvery, g.wait)
}

// fruitlessMost is how often in a row deleting may give nothing before the guard goes slow.
const fruitlessMost = 2

// What the log says when deleting does not help.
var (
	errNoReturn    = errors.New("the disk gets no emptier by deleting footage: something else fills it, or keeps the space")
	errNothingLeft = errors.New("the disk is low and nothing that may be deleted is left: holds and the last minutes of each camera stay")
)

func (k *Keeper) noteDisk(d Disk, low, empty bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats.DiskTotal, k.stats.DiskFree, k.stats.DiskReserve = d.Total, d.Free, k.cfg.Reserve.Of(d.Total)
	k.stats.DiskLow, k.stats.NothingLeftToPrune = low, low && (empty || k.stats.NothingLeftToPrune)
}

// onDisk is how many bytes a segment takes: its blocks, and one for its attributes.
func (p *pass) onDisk(size int64) int64 {
	if p.rep.Disk == nil || p.rep.Disk.Block <= 0 {
		return size
	}
	b := p.rep.Disk.Block
	return (size + b - 1) / b * b
}

// front is the oldest segment of each camera, the oldest of all first.
type front []*head

type head struct {
	q *queue
	s seg
}

func (f front) Len() int { return len(f) }
func (f front) Less(i, j int) bool {
	if f[i].s.at != f[j].s.at {
		return f[i].s.at < f[j].s.at
	}
	return f[i].q.camera.id < f[j].q.camera.id
}
func (f front) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *front) Push(x any)   { *f = append(*f, x.(*head)) }
func (f *front) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}

// byDisk deletes the oldest footage of all cameras until the reserve, and a tenth more, is free.
func (p *pass) byDisk(ctx context.Context, cameras []camera) error {
	k := p.k
	d, err := k.cfg.Disk()
	if err != nil {
		return err
	}
	p.rep.Disk = &d
	if p.opt.DryRun { // as it would be after the deletions so far
		d.Free += p.freed
		d.FreeInodes += p.inodes
	}
	low, need, needInodes, reserve := k.low(d)
	p.rep.Reserve = reserve
	if low = low || k.guard.aiming; !low {
		return nil
	}
	f, err := p.front(ctx, cameras)
	if err != nil {
		return err
	}
	// Where deleting does not help (snapshots keep the space, or something else takes it), all footage would be gone for
	// nothing: half as much each time, down to one batch, by which is noticed when it does.
	probe := !p.opt.DryRun && k.guard.fruitless > 0
	if probe {
		need, needInodes = max(1, need>>k.guard.fruitless), needInodes>>k.guard.fruitless
	}
	why := "less than " + k.cfg.Reserve.String() + " of the disk is free"
	p.freed, p.inodes = 0, 0
	var first, last int64
	any := false
	for low && (p.freed < need || p.inodes < needInodes) && !p.stopped {
		var items []item
		var bytes int64
		for len(f) > 0 && len(items) < batch && (probe || p.freed+bytes < need || p.inodes+int64(len(items)) < needInodes) {
			h := f[0]
			items = append(items, item{h.q.camera.id, h.s, why})
			bytes += p.onDisk(h.s.size)
			if !any {
				first, any = h.s.at, true
			}
			last = h.s.at
			h.q.take()
			s, ok, err := h.q.peek(ctx)
			if err != nil {
				if err := p.note(ctx, h.q.camera, err); err != nil {
					return err
				}
			}
			if ok {
				h.s = s
				heap.Fix(&f, 0)
			} else {
				heap.Pop(&f)
			}
		}
		if len(items) == 0 {
			p.rep.Notes = append(p.rep.Notes, "nothing that may be deleted is left, and the reserve is not free")
			if !p.opt.DryRun {
				k.guard.aiming = false
				k.noteDisk(d, true, true)
			}
			return nil
		}
		if err := p.delete(ctx, items, ByDisk); err != nil {
			return err
		}
		if p.opt.DryRun {
			continue
		}
		if d, err = k.cfg.Disk(); err != nil {
			return err
		}
		_, bytesLeft, inodesLeft, _ := k.low(d)
		low = bytesLeft > 0 || inodesLeft > 0
		p.bound()
	}
	if !p.opt.DryRun {
		k.guard.aiming = p.stopped && low && (p.freed < need || p.inodes < needInodes)
		stillLow, _, _, _ := k.low(d)
		k.noteDisk(d, stillLow, false)
		if any {
			k.setDiskEdge(first, last, p.started)
		}
	}
	p.rep.More = p.rep.More || p.stopped
	return nil
}

// front opens a queue for each camera: what the holds leave, up to MinAge before its newest segment.
func (p *pass) front(ctx context.Context, cameras []camera) (front, error) {
	holds, err := p.holds()
	if err != nil {
		return nil, err
	}
	var f front
	for _, c := range cameras {
		newest, ok, err := p.k.newest(ctx, c)
		var s seg
		var q *queue
		if err == nil && ok {
			from, was := p.gone[c.id]
			if !was {
				from = always.from
			}
			cut := newest.at - int64(p.k.cfg.MinAge/time.Second)
			q = &queue{k: p.k, camera: c, spans: span{from, max(from, cut)}.without(protected(holds, c.id))}
			s, ok, err = q.peek(ctx)
		}
		if err := p.note(ctx, c, err); err != nil {
			return nil, err
		}
		if err == nil && ok {
			f = append(f, &head{q, s})
		}
	}
	heap.Init(&f)
	return f, nil
}
