// SPDX-License-Identifier: Apache-2.0

//go:build ignore

package main

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Limits of the format (RFC 1951).
const (
	window   = 32 << 10
	minMatch = 3
	maxMatch = 258
	endBlock = 256
	maxBits  = 15 // of a code
	maxLens  = 7  // of a code for lengths of codes
)

const (
	blockBytes = 48 << 10 // one set of codes each, unless neighbours do better together
	chunkBytes = 1 << 20  // parsed by itself
	maxChain   = 600      // earlier places that are tried for a match
	passes     = 3        // of choosing matches by the cost of codes, which follow from what was chosen before
)

// deflate compresses better than compress/flate, by some 5 % for programs, and takes its time: it knows the cheapest way to
// write each block, given what its codes cost, instead of the longest match here and now. The result is the same each time.
func deflate(data []byte) []byte {
	chunks := make([][]*block, (len(data)+chunkBytes-1)/chunkBytes)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range chunks {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			chunks[i] = parse(data, i*chunkBytes, min((i+1)*chunkBytes, len(data)))
			<-slots
		}()
	}
	wg.Wait()
	var blocks []*block
	for _, b := range slices.Concat(chunks...) {
		if n := len(blocks); n > 0 {
			if both := join(blocks[n-1], b); both.bits() <= blocks[n-1].bits()+b.bits() {
				blocks[n-1] = both
				continue
			}
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 0 {
		blocks = append(blocks, newBlock(nil))
	}
	var w bitWriter
	for i, b := range blocks {
		b.write(&w, i == len(blocks)-1)
	}
	return w.flush()
}

// token is a literal (dist 0, the byte in length) or a match.
type token struct{ length, dist uint16 }

// lengthCode and distCode return the symbol of a length or distance, and the number and value of its extra bits (RFC 1951, 3.2.5).
func lengthCode(length int) (symbol, extra, value int) {
	if length == maxMatch {
		return 285, 0, 0
	}
	symbol, extra, value = buckets(length-minMatch, 4)
	return 257 + symbol, extra, value
}

func distCode(dist int) (symbol, extra, value int) { return buckets(dist-1, 2) }

// buckets numbers groups that double in size each `per` of them.
func buckets(n, per int) (symbol, extra, value int) {
	base := 0
	for size := 1; ; size *= 2 {
		groups := per
		if size == 1 {
			groups = 2 * per
		}
		if n < groups*size {
			return base + n/size, extra, n % size
		}
		n -= groups * size
		base += groups
		extra++
	}
}

// block is what shares a set of codes.
type block struct {
	tokens  []token
	symbols [286]int // how often each occurs
	dists   [30]int

	size int // in bits; 0: not counted yet
}

func newBlock(tokens []token) *block {
	b := &block{tokens: tokens}
	b.symbols[endBlock] = 1
	for _, t := range tokens {
		if t.dist == 0 {
			b.symbols[t.length]++
			continue
		}
		s, _, _ := lengthCode(int(t.length))
		d, _, _ := distCode(int(t.dist))
		b.symbols[s]++
		b.dists[d]++
	}
	return b
}

func join(a, b *block) *block {
	j := &block{tokens: slices.Concat(a.tokens, b.tokens), symbols: a.symbols, dists: a.dists}
	for i, n := range b.symbols {
		j.symbols[i] += n
	}
	for i, n := range b.dists {
		j.dists[i] += n
	}
	j.symbols[endBlock] = 1
	return j
}

func (b *block) bits() int {
	if b.size == 0 {
		var w bitWriter
		b.write(&w, false)
		b.size = w.count
	}
	return b.size
}

// write writes the block with codes of its own.
func (b *block) write(w *bitWriter, last bool) {
	lengths, dists := codeLengths(b.symbols[:], maxBits), codeLengths(b.dists[:], maxBits)
	symbols, distances := 286, 30
	for symbols > 257 && lengths[symbols-1] == 0 {
		symbols--
	}
	for distances > 1 && dists[distances-1] == 0 {
		distances--
	}
	head := runs(slices.Concat(lengths[:symbols], dists[:distances]))
	var counts [19]int
	for _, r := range head {
		counts[r.symbol]++
	}
	order := [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	headLengths := codeLengths(counts[:], maxLens)
	n := 19
	for n > 4 && headLengths[order[n-1]] == 0 {
		n--
	}
	final := 0
	if last {
		final = 1
	}
	w.add(final|2<<1, 3)
	w.add(symbols-257, 5)
	w.add(distances-1, 5)
	w.add(n-4, 4)
	for _, s := range order[:n] {
		w.add(headLengths[s], 3)
	}
	codes := codesOf(headLengths)
	for _, r := range head {
		w.add(codes[r.symbol], headLengths[r.symbol])
		w.add(r.value, r.extra)
	}
	codes, distCodes := codesOf(lengths), codesOf(dists)
	for _, t := range b.tokens {
		if t.dist == 0 {
			w.add(codes[t.length], lengths[t.length])
			continue
		}
		s, extra, value := lengthCode(int(t.length))
		w.add(codes[s], lengths[s])
		w.add(value, extra)
		s, extra, value = distCode(int(t.dist))
		w.add(distCodes[s], dists[s])
		w.add(value, extra)
	}
	w.add(codes[endBlock], lengths[endBlock])
}

// run is one symbol of the code lengths' own alphabet.
type run struct{ symbol, extra, value int }

func runs(lengths []int) (out []run) {
	for i := 0; i < len(lengths); {
		l, n := lengths[i], 1
		for i+n < len(lengths) && lengths[i+n] == l {
			n++
		}
		i += n
		if l != 0 {
			out = append(out, run{l, 0, 0})
			n--
		}
		for n > 0 {
			switch {
			case l == 0 && n >= 11:
				k := min(n, 138)
				out, n = append(out, run{18, 7, k - 11}), n-k
			case l == 0 && n >= 3:
				out, n = append(out, run{17, 3, n - 3}), 0
			case l != 0 && n >= 3:
				k := min(n, 6)
				out, n = append(out, run{16, 2, k - 3}), n-k
			default:
				out, n = append(out, run{l, 0, 0}), n-1
			}
		}
	}
	return out
}

// codeLengths returns the lengths of an optimal prefix code of at most limit bits (package-merge, Larmore and Hirschberg 1990). At least
// two symbols get one, which the oldest readers want.
func codeLengths(counts []int, limit int) []int {
	type item struct {
		weight  int
		symbols []int
	}
	var leaves []item
	for s, n := range counts {
		if n > 0 {
			leaves = append(leaves, item{n, []int{s}})
		}
	}
	for s := 0; len(leaves) < 2; s++ {
		if counts[s] == 0 {
			leaves = append(leaves, item{1, []int{s}})
		}
	}
	byWeight := func(a, b item) int { return cmp.Compare(a.weight, b.weight) }
	slices.SortStableFunc(leaves, byWeight)
	var row []item
	for range limit {
		var pairs []item
		for i := 0; i+1 < len(row); i += 2 {
			pairs = append(pairs, item{row[i].weight + row[i+1].weight, slices.Concat(row[i].symbols, row[i+1].symbols)})
		}
		row = append(slices.Clone(leaves), pairs...)
		slices.SortStableFunc(row, byWeight)
	}
	lengths := make([]int, len(counts))
	for _, it := range row[:2*len(leaves)-2] {
		for _, s := range it.symbols {
			lengths[s]++
		}
	}
	return lengths
}

// codesOf returns the codes that go with lengths, first bit lowest (RFC 1951, 3.2.2).
func codesOf(lengths []int) []int {
	codes := make([]int, len(lengths))
	code := 0
	for l := 1; l <= maxBits; l++ {
		for s, n := range lengths {
			if n != l {
				continue
			}
			for bit := range l {
				codes[s] |= code >> bit & 1 << (l - 1 - bit)
			}
			code++
		}
		code <<= 1
	}
	return codes
}

// bitWriter appends bits, the lowest first.
type bitWriter struct {
	out   []byte
	acc   uint64
	n     int
	count int
}

func (w *bitWriter) add(value, bits int) {
	w.acc |= uint64(value) << w.n
	w.n += bits
	w.count += bits
	for ; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.acc))
	}
	return w.out
}

// match is the nearest place from which a length up to this one can be copied.
type match struct{ length, dist uint16 }

// parse cuts data[from:to] into blocks of the cheapest tokens. Matches may reach back before from.
func parse(data []byte, from, to int) (out []*block) {
	finder := newFinder(data, from)
	for ; from < to; from += blockBytes {
		end := min(from+blockBytes, to)
		found := make([][]match, end-from)
		for i := range found {
			found[i] = finder.matches(from+i, end)
		}
		cost := guess()
		var b *block
		for range passes {
			next := newBlock(cheapest(data[from:end], found, cost))
			if b == nil || next.bits() < b.bits() {
				b = next
			}
			cost = pricesOf(next)
		}
		out = append(out, b)
	}
	return out
}

// prices are bits: of literals, of lengths and of distances, extra bits counted.
type prices struct {
	literal [256]float32
	length  [maxMatch + 1]float32
	dist    [30]float32
}

func guess() *prices {
	var p prices
	for i := range p.literal {
		p.literal[i] = 8
	}
	for i := minMatch; i <= maxMatch; i++ {
		_, extra, _ := lengthCode(i)
		p.length[i] = 7 + float32(extra)
	}
	for i := range p.dist {
		p.dist[i] = 5 + float32(max(0, i/2-1))
	}
	return &p
}

func pricesOf(b *block) *prices {
	bits := func(counts []int) []float32 {
		total := 0
		for _, n := range counts {
			total += n
		}
		out := make([]float32, len(counts))
		for i, n := range counts {
			out[i] = float32(math.Log2(float64(total+1) / (float64(n) + 0.3)))
		}
		return out
	}
	var p prices
	symbols, dists := bits(b.symbols[:]), bits(b.dists[:])
	copy(p.literal[:], symbols)
	for i := minMatch; i <= maxMatch; i++ {
		s, extra, _ := lengthCode(i)
		p.length[i] = symbols[s] + float32(extra)
	}
	for i := range p.dist {
		p.dist[i] = dists[i] + float32(max(0, i/2-1))
	}
	return &p
}

// cheapest finds the tokens of least price: the shortest path from the first byte to the last.
func cheapest(data []byte, found [][]match, p *prices) []token {
	best := make([]float32, len(data)+1)
	came := make([]token, len(data)+1)
	for i := 1; i < len(best); i++ {
		best[i] = math.MaxFloat32
	}
	for i, c := range data {
		if price := best[i] + p.literal[c]; price < best[i+1] {
			best[i+1], came[i+1] = price, token{uint16(c), 0}
		}
		length := minMatch
		for _, m := range found[i] {
			s, _, _ := distCode(int(m.dist))
			base := best[i] + p.dist[s]
			for ; length <= int(m.length); length++ {
				if price := base + p.length[length]; price < best[i+length] {
					best[i+length], came[i+length] = price, token{uint16(length), m.dist}
				}
			}
		}
	}
	var out []token
	for i := len(data); i > 0; {
		t := came[i]
		out = append(out, t)
		if i--; t.dist != 0 {
			i -= int(t.length) - 1
		}
	}
	slices.Reverse(out)
	return out
}

// finder knows the earlier places of each three bytes.
type finder struct {
	data []byte
	head []int32 // the last place of a hash, -1: none
	prev []int32 // the one before a place, modulo the window
}

func newFinder(data []byte, from int) *finder {
	f := &finder{data: data, head: make([]int32, 1<<16), prev: make([]int32, window)}
	for i := range f.head {
		f.head[i] = -1
	}
	for i := max(0, from-window); i < from; i++ {
		f.add(i)
	}
	return f
}

func (f *finder) hash(i int) uint32 {
	return (uint32(f.data[i]) | uint32(f.data[i+1])<<8 | uint32(f.data[i+2])<<16) * 0x9E3779B1 >> 16
}

func (f *finder) add(i int) {
	if i+minMatch <= len(f.data) {
		h := f.hash(i)
		f.prev[i%window] = f.head[h]
		f.head[h] = int32(i)
	}
}

// matches returns the matches at i that end before end, each longer and farther than the one before, and adds the place.
func (f *finder) matches(i, end int) (out []match) {
	defer f.add(i)
	most := min(maxMatch, end-i)
	if most < minMatch {
		return nil
	}
	longest := minMatch - 1
	at := int(f.head[f.hash(i)])
	for tries := 0; at >= 0 && i-at <= window && tries < maxChain && longest < most; tries++ {
		if f.data[at+longest] == f.data[i+longest] {
			n := 0
			for n < most && f.data[at+n] == f.data[i+n] {
				n++
			}
			if n > longest {
				longest = n
				out = append(out, match{uint16(n), uint16(i - at)})
			}
		}
		next := int(f.prev[at%window])
		if next >= at {
			break
		}
		at = next
	}
	return out
}
