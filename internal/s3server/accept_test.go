// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/versity/versitygw/s3err"
)

// A camera gives up trying after a 405; a disk that has turned read-only is mended some time.
func TestAReadOnlyDiskIsAnErrorOfTheServer(t *testing.T) {
	g := &gateway{log: slog.New(slog.DiscardHandler)}
	for _, err := range []error{s3err.GetAPIError(s3err.ErrMethodNotAllowed), &os.PathError{Op: "open", Path: "x", Err: syscall.EROFS}} {
		if got := g.fail("put", "x", err); !errors.Is(got, s3err.GetAPIError(s3err.ErrInternalError)) {
			t.Errorf("%v is answered as %v", err, got)
		}
	}
}

// scripted answers Accept with errors and then with one connection.
type scripted struct {
	net.Listener
	errs []error
}

func (s *scripted) Accept() (net.Conn, error) {
	if len(s.errs) == 0 {
		c, _ := net.Pipe()
		return c, nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
}

func TestAcceptOutlivesExhaustion(t *testing.T) {
	l := newListener(&scripted{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED}}, time.Minute, 0)
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("accept after a shortage: %v", err)
	}
	c.Close()
	l = newListener(&scripted{errs: []error{syscall.EINVAL}}, time.Minute, 0)
	if _, err := l.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("accept on a closed listener: %v, want its error", err)
	}
}
