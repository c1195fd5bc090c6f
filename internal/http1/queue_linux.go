// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), since Linux 2.6.37: the kernel itself gives up a connection whose peer acknowledges
// nothing for so many milliseconds, which its own retransmission would try for 15 minutes.
const tcpUserTimeout = 18

// sendQueue asks the kernel how many bytes of a connection the peer has not acknowledged yet.
type sendQueue struct {
	raw   syscall.RawConn
	read  func(fd uintptr) // made once: each closure would be an allocation
	bytes int
}

func (q *sendQueue) init(c net.Conn, stall time.Duration) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	q.raw = raw
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(stall.Milliseconds())) // not for Unix sockets
	})
	q.read = func(fd uintptr) {
		var n int32
		q.bytes = unknown
		// SIOCOUTQ of tcp(7) has the number of TIOCOUTQ.
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno == 0 {
			q.bytes = int(n)
		}
	}
}

// unacked returns the number of bytes, or unknown.
func (q *sendQueue) unacked() int {
	if q.raw == nil || q.raw.Control(q.read) != nil {
		return unknown
	}
	return q.bytes
}
