// SPDX-License-Identifier: Apache-2.0

package lambdatest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// instance is one process and its Runtime API. boot, invoke and kill are called by one goroutine at a time, kill also by Close.
type instance struct {
	f       *Function
	number  int
	env     map[string]string
	init    time.Duration
	retired bool // under Function.mu: not to be used again

	api     *runtimeAPI
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process is gone; exit is set before
	exit    string
	started sync.Once
	pending *poll // the process waits in this question for an invocation
}

func newInstance(f *Function, number int, env map[string]string) *instance {
	return &instance{f: f, number: number, env: env, exited: make(chan struct{})}
}

// boot starts the process and waits until it asks for its first invocation. When it does not, the result says why.
func (in *instance) boot() (Result, bool) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return failure("Runtime.Unknown", err.Error()), false
	}
	in.api = newRuntimeAPI(ln)
	in.cmd = exec.Command(in.f.cfg.Bootstrap)
	in.cmd.Dir = filepath.Dir(in.f.cfg.Bootstrap)
	in.cmd.Env = in.environ(ln.Addr().String())
	in.cmd.Stdout, in.cmd.Stderr = &in.f.log, &in.f.log
	in.cmd.WaitDelay = 5 * time.Second
	ownGroup(in.cmd)
	begin := time.Now()
	ran := false
	in.started.Do(func() { err = in.cmd.Start(); ran = true })
	if !ran || err != nil {
		in.api.close()
		if err == nil {
			err = ErrClosed
		}
		return failure("Runtime.InvalidEntrypoint", err.Error()), false
	}
	go func() {
		if err := in.cmd.Wait(); err != nil {
			in.exit = err.Error()
		} else {
			in.exit = "exit status 0"
		}
		close(in.exited)
		in.api.close()
	}()
	limit := time.NewTimer(in.f.cfg.InitTimeout)
	defer limit.Stop()
	select {
	case in.pending = <-in.api.polls:
		in.init = time.Since(begin)
		return Result{}, true
	case o := <-in.api.initErrors:
		return o, false
	case <-in.exited:
		select {
		case o := <-in.api.initErrors:
			return o, false
		default:
		}
		return failure(ErrorTypeExit, "Error: Runtime exited with error: "+in.exit), false
	case <-limit.C:
		return failure(ErrorTypeTimeout, fmt.Sprintf("Init timed out after %.2f seconds", in.f.cfg.InitTimeout.Seconds())), false
	}
}

// invoke hands the payload to the waiting process. delivered is false when the process was gone before it got it. alive says
// that it asked for the next invocation afterwards.
func (in *instance) invoke(payload []byte) (r Result, delivered, alive bool) {
	select {
	case <-in.exited:
		return Result{}, false, false
	default:
	}
	if in.f.cfg.Freeze {
		thaw(in.cmd)
	}
	id := requestID()
	begin := time.Now()
	deadline := begin.Add(in.f.cfg.Timeout)
	inv := &invocation{id: id, payload: payload, deadline: deadline, taken: make(chan struct{}),
		arn: fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", in.f.cfg.Region, AccountID, in.f.cfg.Name)}
	in.api.begin(id)
	in.pending.answer <- inv
	in.pending = nil
	limit := time.NewTimer(in.f.cfg.Timeout)
	defer limit.Stop()

	answered := false
	for {
		select {
		case r = <-in.api.outcomes:
			answered = true
			r.Duration = time.Since(begin)
		case p := <-in.api.polls:
			in.pending = p
			if !answered {
				select {
				case r = <-in.api.outcomes:
					r.Duration = time.Since(begin)
				default:
					in.kill()
					return failure("Runtime.Unknown", "asked for the next invocation without answering this one"), true, false
				}
			}
			if in.f.cfg.Freeze {
				freeze(in.cmd)
			}
			return r, true, true
		case <-in.exited:
			if answered {
				return r, true, false
			}
			select {
			case r = <-in.api.outcomes: // reported just before the end
				r.Duration = time.Since(begin)
				return r, true, false
			default:
			}
			r = failure(ErrorTypeExit, "RequestId: "+id+" Error: Runtime exited with error: "+in.exit)
			r.Duration = time.Since(begin)
			select {
			case <-inv.taken:
				return r, true, false
			default:
				return r, false, false
			}
		case <-limit.C:
			in.kill()
			if answered {
				return r, true, false
			}
			r = failure(ErrorTypeTimeout, fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, in.f.cfg.Timeout.Seconds()))
			r.Duration = time.Since(begin)
			return r, true, false
		}
	}
}

// kill ends the process with all its children and waits for it. A process that was never started will not be.
func (in *instance) kill() {
	never := false
	in.started.Do(func() { never = true })
	if never || in.cmd.Process == nil {
		return
	}
	killGroup(in.cmd)
	<-in.exited
}

// environ is what the process sees: what Lambda sets, overridden by the function's own variables.
func (in *instance) environ(api string) []string {
	c := in.f.cfg
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          api,
		"_HANDLER":                        "bootstrap",
		"AWS_REGION":                      c.Region,
		"AWS_DEFAULT_REGION":              c.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": fmt.Sprint(c.MemoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      fmt.Sprintf("2026/01/01/[$LATEST]%032x", in.number),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"LAMBDA_TASK_ROOT":                filepath.Dir(c.Bootstrap),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"TZ":                              ":UTC",
		"PATH":                            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LANG":                            "en_US.UTF-8",
	}
	for k, v := range in.env {
		env[k] = v
	}
	list := make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	return list
}

// failure is a Result in the form in which Lambda describes what it noticed itself.
func failure(kind, message string) Result {
	text, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		text = []byte("{}") // two strings always marshal
	}
	return Result{ErrorType: kind, Payload: text}
}

// requestID returns an id in the form of a UUID.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}
