// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

func credentialsOf(fd int) string {
	u, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return "?"
	}
	return fmt.Sprintf("uid %d pid %d", u.Uid, u.Pid)
}

// CloseInherited closes the descriptors above keep that came from the parent: firmware that does not mark its own as close-on-exec would
// find its video device busy when it starts again while the agent still uploads. What Go's runtime has opened by itself stays.
func CloseInherited(keep int) {
	dir, err := syscall.Open("/proc/self/fd", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(dir)
	var open []int
	buf := make([]byte, 4096)
	for {
		n, err := syscall.ReadDirent(dir, buf)
		if n <= 0 || err != nil {
			break
		}
		_, _, names := syscall.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && fd > keep && fd != dir {
				open = append(open, fd)
			}
		}
	}
	for _, fd := range open {
		name := make([]byte, 256)
		n, err := readlink("/proc/self/fd/"+strconv.Itoa(fd), name)
		if err != nil {
			continue
		}
		switch target := string(name[:n]); {
		case strings.HasPrefix(target, "anon_inode:"), // epoll, eventfd, pidfd
			strings.HasPrefix(target, "/sys/fs/cgroup/"), strings.HasPrefix(target, "/proc/"):
		default:
			syscall.Close(fd)
		}
	}
}

func readlink(path string, buf []byte) (int, error) { return syscall.Readlink(path, buf) }

// releaseText gives the pages of the program file back that were needed for start and handshake: they stay in the page cache, but a
// camera that is short of memory can take them at once. Pages that are needed come back by a minor fault.
func releaseText() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		if len(f) < 6 || f[5] != exe || !strings.HasPrefix(f[1], "r-") {
			continue
		}
		from, to, ok := strings.Cut(f[0], "-")
		a, err := strconv.ParseUint(from, 16, 64)
		b, err2 := strconv.ParseUint(to, 16, 64)
		if !ok || err != nil || err2 != nil || b <= a {
			continue
		}
		// The memory is the program's own text and constants, not Go's heap: the address is no Go pointer.
		mapped := *(*[]byte)(unsafe.Pointer(&struct {
			p        uintptr
			len, cap int
		}{uintptr(a), int(b - a), int(b - a)}))
		_ = syscall.Madvise(mapped, syscall.MADV_DONTNEED)
	}
}
