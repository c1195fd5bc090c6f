// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// serverEnv makes the test binary a server: its value is a serverConfig in JSON.
const serverEnv = "S3CAM_DEVICE_TEST_SERVER"

type serverConfig struct {
	Dir, Cert, Key string
	Keys           []serverKey
}

type serverKey struct{ Access, Secret, Token string }

// serverMain runs the embedded engine until it is killed.
func serverMain(config string) error {
	var c serverConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	a := &accounts{keys: map[string]keyPair{}}
	for _, k := range c.Keys {
		a.add(keyPair{k.Access, k.Secret, k.Token})
	}
	s, err := s3server.New(s3server.Config{
		Dir: c.Dir, Addr: "127.0.0.1:0", Region: region, Bucket: bucketName, VirtualDomain: domain, CertFile: c.Cert, KeyFile: c.Key,
		AccessKey: rootKey.access, SecretKey: s3server.Secret(rootKey.secret), Accounts: a,
		Durability: s3server.DurabilityData, // what it has acknowledged is whole after a kill -9; no power is cut here
	})
	if err != nil {
		return err
	}
	go func() { // the test is gone, however that came about
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	fmt.Println(s.URL())
	return s.Run(context.Background())
}

// process is the store in a process of its own, which can be killed. A link leads to it, so that its address stays.
type process struct {
	t      testing.TB
	config string
	link   *link
	cmd    *exec.Cmd
	dir    string
}

func newProcess(t testing.TB, ca *authority, keys ...keyPair) *process {
	t.Helper()
	cert, key, _ := ca.issue(t, leaf{})
	c := serverConfig{Dir: t.TempDir(), Cert: cert, Key: key}
	for _, k := range keys {
		c.Keys = append(c.Keys, serverKey{k.access, k.secret, k.token})
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, config: string(b), dir: c.Dir, link: newLink(t, "127.0.0.1:1")}
	p.start()
	t.Cleanup(p.kill)
	return p
}

// start starts it after a kill.
func (p *process) start() {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(cleanEnv(), serverEnv+"="+p.config)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil { // its end is our end
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		p.t.Fatalf("the server says no address: %v", err)
	}
	p.cmd = cmd
	p.link.setTarget(strings.TrimPrefix(strings.TrimSpace(line), "https://"))
}

// kill ends it as kill -9 does.
func (p *process) kill() {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		p.cmd = nil
	}
}

// objects opens what it has stored. The process must not be running.
func (p *process) objects(t testing.TB, prefix string) []object {
	t.Helper()
	s, err := s3server.New(s3server.Config{Dir: p.dir, Addr: "127.0.0.1:0", Bucket: bucketName, AccessKey: rootKey.access, SecretKey: s3server.Secret(rootKey.secret)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return readObjects(t, s.Bucket(), prefix)
}
