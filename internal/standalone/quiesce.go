// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// How long a server that ends waits for the first request of connections that it has accepted. It comes with the connection,
// or it is a browser's that only keeps one ready.
const (
	firstRequests = 500 * time.Millisecond
	quiesceStep   = 5 * time.Millisecond
)

// quiescing is the state of a listener that takes no more connections while its server still answers those it has.
type quiescing struct {
	mu     sync.Mutex
	begun  bool
	ended  chan struct{} // closed by Close
	closed sync.Once
}

// begin makes Accept wait for end instead of failing, from now on.
func (q *quiescing) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.begun = true
}

// accepted is what Accept returns for an error of the listener below.
func (q *quiescing) accepted(err error) error {
	q.mu.Lock()
	begun := q.begun
	q.mu.Unlock()
	if begun {
		<-q.ended
		return net.ErrClosed
	}
	return err
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.quiesce.closed.Do(func() { close(l.quiesce.ended) })
	return l.Listener.Close()
}

// idle tells whether no connection is open.
func (l *limited) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open == 0
}

// quiesce ends a server's intake before its Shutdown, from which on net/http closes a connection whose request it has just read
// without an answer. First no connection is taken any more: those that come wait in the kernel for the next process, if the socket
// stays open elsewhere. Then those that were taken get their answer, and are closed with it.
func quiesce(l *limited, web *http.Server) {
	l.quiesce.begin()
	l.Listener.Close()
	web.SetKeepAlivesEnabled(false) // closes those that wait for a further request; players and browsers repeat that
	for end := time.Now().Add(firstRequests); !l.idle() && time.Now().Before(end); {
		time.Sleep(quiesceStep)
	}
}
