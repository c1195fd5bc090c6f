// SPDX-License-Identifier: Apache-2.0

package lambdatest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Limits of Lambda.
const (
	MaxRequest         = 6 << 20   // bytes of an invocation's payload
	MaxResponse        = 6_291_556 // bytes of a buffered answer
	DefaultInitTimeout = 10 * time.Second
	DefaultTimeout     = 3 * time.Second // Lambda's own default
	Region             = "us-east-1"     // where Config.Region says nothing
	AccountID          = "123456789012"
)

// Types of failures that Lambda itself reports in Result.ErrorType.
const (
	ErrorTypeExit     = "Runtime.ExitError"             // the process ended
	ErrorTypeTimeout  = "Sandbox.Timedout"              // it did not answer in time and was killed
	ErrorTypeTooLarge = "Function.ResponseSizeTooLarge" // it answered too much
)

// Errors of Invoke that never reach a function.
var (
	ErrRequestTooLarge = errors.New("payload of the invocation exceeds 6 MiB")
	ErrClosed          = errors.New("function is closed")
)

// Config describes a function. Bootstrap is required.
type Config struct {
	Name      string            // default "function"
	Bootstrap string            // path of the program
	Env       map[string]string // the function's variables and credentials; wins over what Lambda sets
	Region    string
	MemoryMB  int // told to the function, not enforced. Default 512

	Timeout     time.Duration // of one invocation, without its init
	InitTimeout time.Duration // from exec to the first question for an invocation

	Instances int  // most processes at a time; further invocations wait. Default 1
	Spread    bool // boot all instances first and use the one that waited longest, as busy functions do; else the one used last
	Freeze    bool // stop the processes between invocations
}

// Result is the outcome of one invocation.
type Result struct {
	Payload   []byte        // what the function answered, or the JSON that describes its failure
	ErrorType string        // empty: success
	Cold      bool          // an instance was booted for it
	Init      time.Duration // exec to first question, of that boot
	Duration  time.Duration // of the invocation, without the boot
}

// Stats counts what happened to a function.
type Stats struct {
	Boots       int
	Invocations int             // that reached a process
	PerInstance []int           // invocations by instance, in the order of boots
	Inits       []time.Duration // of successful boots
}

// Function is one Lambda function. Its methods may be called from several goroutines.
type Function struct {
	cfg   Config
	log   tailLog
	slots chan struct{} // one per instance that may be busy
	wg    sync.WaitGroup

	mu     sync.Mutex
	env    map[string]string
	idle   []*instance // in the order in which they became idle
	live   map[*instance]bool
	stats  Stats
	closed bool
}

// New returns the function and closes it at the end of the test. No process is started before the first Invoke.
func New(tb testing.TB, cfg Config) *Function {
	tb.Helper()
	if cfg.Bootstrap == "" {
		tb.Fatal("lambdatest: no Bootstrap")
	}
	if cfg.Name == "" {
		cfg.Name = "function"
	}
	if cfg.Region == "" {
		cfg.Region = Region
	}
	if cfg.MemoryMB == 0 {
		cfg.MemoryMB = 512
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.InitTimeout == 0 {
		cfg.InitTimeout = DefaultInitTimeout
	}
	cfg.Instances = max(cfg.Instances, 1)
	f := &Function{cfg: cfg, env: maps.Clone(cfg.Env), slots: make(chan struct{}, cfg.Instances), live: map[*instance]bool{}}
	tb.Cleanup(f.Close)
	return f
}

// Invoke runs one invocation on an idle instance, on a fresh one, or on the next that becomes idle, and returns when the process
// asks for the next invocation or is gone. A failure of the function is a Result with an ErrorType. The error is
// ErrRequestTooLarge, ErrClosed, or that of ctx, whose end does not end the invocation.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Result, error) {
	if len(payload) > MaxRequest {
		return Result{}, ErrRequestTooLarge
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		<-f.slots
		return Result{}, ErrClosed
	}
	f.wg.Add(1)
	f.mu.Unlock()
	done := make(chan Result, 1)
	go func() {
		defer f.wg.Done()
		defer func() { <-f.slots }()
		done <- f.run(payload)
	}()
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// run does one invocation on whichever instance there is.
func (f *Function) run(payload []byte) Result {
	for {
		in, cold := f.take()
		if in == nil {
			return failure(ErrorTypeExit, ErrClosed.Error())
		}
		if cold {
			if r, ok := in.boot(); !ok {
				f.drop(in)
				return r
			}
			f.mu.Lock()
			f.stats.Inits = append(f.stats.Inits, in.init)
			f.mu.Unlock()
		}
		r, delivered, alive := in.invoke(payload)
		if delivered {
			f.mu.Lock()
			f.stats.Invocations++
			f.stats.PerInstance[in.number]++
			f.mu.Unlock()
		}
		if alive {
			f.giveBack(in)
		} else {
			f.drop(in)
		}
		if delivered || cold {
			r.Cold = cold
			if cold {
				r.Init = in.init
			}
			return r
		}
		// It died while nobody used it: another one takes the call.
	}
}

// take returns an idle instance, or one to boot; nil when the function is closed.
func (f *Function) take() (in *instance, cold bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false
	}
	if n := len(f.idle); n > 0 && (!f.cfg.Spread || len(f.live) == f.cfg.Instances) {
		i := n - 1
		if f.cfg.Spread {
			i = 0
		}
		in = f.idle[i]
		f.idle = slices.Delete(f.idle, i, i+1)
		return in, false
	}
	in = newInstance(f, f.stats.Boots, maps.Clone(f.env))
	f.stats.Boots++
	f.stats.PerInstance = append(f.stats.PerInstance, 0)
	f.live[in] = true
	return in, true
}

func (f *Function) giveBack(in *instance) {
	f.mu.Lock()
	ok := !f.closed && !in.retired
	if ok {
		f.idle = append(f.idle, in)
	}
	f.mu.Unlock()
	if !ok {
		f.drop(in)
	}
}

func (f *Function) drop(in *instance) {
	in.kill()
	f.mu.Lock()
	delete(f.live, in)
	f.mu.Unlock()
}

// SetEnv sets variables for instances that are booted from now on, such as new credentials of the role. An empty value unsets.
func (f *Function) SetEnv(env map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.env == nil {
		f.env = map[string]string{}
	}
	for k, v := range env {
		if v == "" {
			delete(f.env, k)
		} else {
			f.env[k] = v
		}
	}
}

// Recycle ends all instances, busy ones after their invocation, as Lambda does after some hours.
func (f *Function) Recycle() {
	f.mu.Lock()
	idle := f.idle
	f.idle = nil
	for in := range f.live {
		in.retired = true
	}
	f.mu.Unlock()
	for _, in := range idle {
		f.drop(in)
	}
}

// Crash kills all processes as they are, as a fault of the program would.
func (f *Function) Crash() {
	f.mu.Lock()
	live := slices.Collect(maps.Keys(f.live))
	f.mu.Unlock()
	for _, in := range live {
		in.kill()
	}
}

// Stats returns a copy of the counters.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.PerInstance, s.Inits = slices.Clone(s.PerInstance), slices.Clone(s.Inits)
	return s
}

// Logs returns what the processes wrote to standard output and error, the last 256 KiB of it.
func (f *Function) Logs() string { return f.log.String() }

// Close kills all processes and waits for them. Invocations under way fail.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	live := slices.Collect(maps.Keys(f.live))
	f.idle = nil
	f.mu.Unlock()
	for _, in := range live {
		f.drop(in)
	}
	f.wg.Wait()
}

// tailLog keeps the end of what is written to it.
type tailLog struct {
	mu   sync.Mutex
	text []byte
}

const maxLog = 256 << 10

func (l *tailLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - maxLog; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *tailLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.ToValidUTF8(string(l.text), "?")
}
