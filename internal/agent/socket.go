// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// connectionOf takes over an open socket, given by its descriptor.
func connectionOf(fd int) (net.Conn, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("--fd %d: %w; this flag is for the C library, which starts the agent with an open socket", fd, err)
	}
	f := os.NewFile(uintptr(fd), "camera")
	nc, err := net.FileConn(f)
	f.Close() // FileConn has its own
	if err != nil {
		return nil, fmt.Errorf("--fd %d is no socket: %w", fd, err)
	}
	return nc, nil
}

// listen makes the socket. One that a dead agent has left behind is replaced, one that is in use is not.
func listen(path string, mode uint32) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("socket: %s is there already and is no socket", path)
		}
		nc, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			nc.Close()
			return nil, fmt.Errorf("socket: another agent listens at %s", path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("socket: %s is there, and whether somebody uses it cannot be told: %w", path, err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	// Nobody may connect before the mode is set; the mask is the process's, and nothing else makes files now.
	mask := syscall.Umask(0o777)
	l, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, os.FileMode(mode)); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

// peer says who is at the other end of a Unix socket.
func peer(nc net.Conn) string {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return "?"
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return "?"
	}
	who := "?"
	_ = raw.Control(func(fd uintptr) { who = credentialsOf(int(fd)) })
	return who
}
