// SPDX-License-Identifier: Apache-2.0

//go:build linux && !race

package uploader

import (
	"os"
	"syscall"
	"unsafe"
)

// The ring lives outside the Go heap: there it would count twice, since the garbage collector lets the heap grow in proportion,
// and its pages could not be given back after an upload. (The race detector sees the Go heap only, so under it memory_other.go is
// used.)

// allocate returns n zero bytes that take no RAM until they are written.
func allocate(n int) ([]byte, error) {
	return syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

// discard gives the whole pages inside b back to the system; their content becomes zero.
func discard(b []byte) {
	if len(b) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := int((page - start%page) % page)
	to := len(b) - int((start+uintptr(len(b)))%page)
	if from < to {
		_ = syscall.Madvise(b[from:to], syscall.MADV_DONTNEED) // without it there is only less free RAM
	}
}

// release undoes allocate.
func release(b []byte) { _ = syscall.Munmap(b) }
