// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/s3cam/s3cam/internal/spool"
)

// A segment of 2 MB goes to flash and back without memory of its own, and headers cost little.
func TestSegmentsDoNotPassThroughTheHeap(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir()})
	it, data := footage(keyOf(1), 2_000_000)
	buf := make([]byte, len(data))
	cycle := func() {
		put(t, s, it, data)
		old, _ := s.Oldest()
		if _, err := s.Read(old, buf); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(old); err != nil {
			t.Fatal(err)
		}
	}
	cycle()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const cycles = 10
	for range cycles {
		cycle()
	}
	runtime.ReadMemStats(&after)
	perCycle := (after.TotalAlloc - before.TotalAlloc) / cycles
	t.Logf("%d bytes of heap for a segment in, read and out", perCycle)
	if perCycle > 6<<10 {
		t.Errorf("%d bytes of heap for a segment in, read and out, want at most 6 KiB", perCycle)
	}
}

// TestTheListIsSmall holds what the package comment promises: 24 bytes a file.
func TestTheListIsSmall(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir})
	it, data := footage(keyOf(1), 10)
	put(t, s, it, data)
	s.Close()
	b, err := os.ReadFile(segFiles(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	const files = 4000
	for n := range files {
		if err := os.WriteFile(dir+"/"+spool.Name(uint64(n+10)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only marks what pools hold as old
	runtime.ReadMemStats(&before)
	s = open(t, spool.Config{Dir: dir})
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	perFile := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / files
	t.Logf("%.1f bytes of heap a file, %d bytes allocated a file during the start", perFile, (after.TotalAlloc-before.TotalAlloc)/files)
	if perFile > 40 { // 24, and room to grow of the slice
		t.Errorf("%.1f bytes of heap a file, want at most 40", perFile)
	}
	if items, _ := s.Usage(); items != files+1 {
		t.Errorf("%d items, want %d", items, files+1)
	}
}
