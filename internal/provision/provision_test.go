// SPDX-License-Identifier: Apache-2.0

package provision_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/provision"
	"github.com/s3cam/s3cam/test/aws/mototest"
)

var stack = provision.Stack{Name: "s3cam", Region: "us-east-1", Bucket: "ipc-video-bucket-1-2", Endpoint: "c0123.credentials.iot.us-east-1.amazonaws.com",
	RoleAlias: "s3cam-device-01234567", Policy: "s3cam-device-01234567"}

func provisioner(t *testing.T, api provision.IoT, s provision.Stack) *provision.Provisioner {
	t.Helper()
	p, err := provision.New(provision.Config{IoT: api, Stack: s, Pause: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// want checks an error's kind, text and remedy.
func want(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want one that is %q", err, kind)
	}
	text := err.Error() + "\nhint: " + hint.Of(err)
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("error does not say %q:\n%s", s, text)
		}
	}
}

// checkFiles holds what was written against the agent itself.
func checkFiles(t *testing.T, f provision.Files, name string, s provision.Stack) {
	t.Helper()
	info, err := os.Stat(f.Key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok || k.Curve != elliptic.P256() {
		t.Errorf("the key is a %T, want P-256", pair.PrivateKey)
	}
	if leaf, err := x509.ParseCertificate(pair.Certificate[0]); err != nil {
		t.Errorf("certificate: %v, %v", leaf, err)
	}
	cfg, err := agent.Load([]string{"--config", f.Config}, nil)
	if err != nil {
		t.Fatalf("the agent refuses the configuration: %v", err)
	}
	k := cfg.Camera
	if k.Bucket != s.Bucket || k.Region != s.Region || k.Prefix != name || k.IoTThing != name || k.IoTEndpoint != s.Endpoint || k.IoTAlias != s.RoleAlias {
		t.Errorf("the agent reads %+v", k)
	}
	a, err := agent.New(cfg, agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if err := a.Check(t.Context(), &said, false); err != nil || strings.Contains(said.String(), "warning") || !strings.HasSuffix(said.String(), "\nok\n") {
		t.Errorf("s3cam-agent check: %v\n%s", err, &said)
	}
}

func options(t *testing.T, name string) provision.AddOptions {
	dir := filepath.Join(t.TempDir(), "new", name)
	return provision.AddOptions{Name: name, Dir: dir, DeviceDir: dir}
}

// motoIoT is moto's IoT, but for the certificates: moto answers a request with a certificate for a key of its own.
type motoIoT struct {
	t *testing.T
	*iot.Client
}

func (m motoIoT) CreateCertificateFromCsr(ctx context.Context, in *iot.CreateCertificateFromCsrInput, o ...func(*iot.Options)) (*iot.CreateCertificateFromCsrOutput, error) {
	out, err := m.Client.CreateCertificateFromCsr(ctx, in, o...)
	if err == nil {
		text := certify(m.t, *in.CertificateSigningRequest, 1, false)
		out.CertificatePem = &text
	}
	return out, err
}

// The life of a camera against an AWS IoT that we did not write.
func TestACameraOnMoto(t *testing.T) {
	moto := mototest.Start(t)
	// moto 5.2 computes other signatures for GET and for escaped paths, so it is told not to look (the server is this binary's own).
	resp, err := http.Post(moto.URL+"/moto-api/reset-auth", "text/plain", strings.NewReader("1000000"))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("reset-auth: %v, %v", resp, err)
	}
	resp.Body.Close()
	api := motoIoT{t, iot.NewFromConfig(moto.Config(moto.Admin))}
	s := stack
	s.Name, s.Policy = "provision-life", "provision-life-device"
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:AssumeRoleWithCertificate","Resource":"*"}]}`
	if _, err := api.CreatePolicy(t.Context(), &iot.CreatePolicyInput{PolicyName: &s.Policy, PolicyDocument: &document}); err != nil {
		t.Fatal(err)
	}
	p := provisioner(t, api, s)
	o := options(t, "door")
	added, err := p.Add(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	checkFiles(t, added.Files, "door", s)
	if holders, err := provision.Holders(t.Context(), api, s.Policy); err != nil || !slices.Equal(holders, []string{"door"}) {
		t.Errorf("holders %q, %v", holders, err)
	}
	cameras, err := p.List(t.Context())
	if err != nil || len(cameras) != 1 || cameras[0].Name != "door" || len(cameras[0].Certificates) != 1 || cameras[0].Certificates[0].Status != "ACTIVE" {
		t.Fatalf("list %+v, %v", cameras, err)
	}
	_, err = p.Add(t.Context(), options(t, "door"))
	want(t, err, provision.ErrExists, "the camera door exists already", "--renew")

	first := added.CertificateID
	o.Renew, o.RevokeOld = true, true
	if added, err = p.Add(t.Context(), o); err != nil || !slices.Equal(added.Deactivated, []string{first}) {
		t.Fatalf("renewed %+v, %v", added, err)
	}
	checkFiles(t, added.Files, "door", s)
	if cameras, err = p.List(t.Context()); err != nil || len(cameras[0].Certificates) != 2 {
		t.Errorf("list %+v, %v", cameras, err)
	}
	for _, c := range cameras[0].Certificates {
		if (c.ID == first) != (c.Status == "INACTIVE") {
			t.Errorf("certificate %+v; the first is %s", c, first)
		}
	}
	if err := p.Remove(t.Context(), "door"); err != nil {
		t.Fatal(err)
	}
	if cameras, err := p.List(t.Context()); err != nil || len(cameras) != 0 {
		t.Errorf("list %+v, %v", cameras, err)
	}
	if holders, err := provision.Holders(t.Context(), api, s.Policy); err != nil || len(holders) != 0 {
		t.Errorf("holders %q, %v", holders, err)
	}
	want(t, p.Remove(t.Context(), "door"), provision.ErrAbsent, "has no camera door")
}

func TestAddAndRenew(t *testing.T) {
	f := newFake(t)
	p := provisioner(t, f, stack)
	o := options(t, "door")
	added, err := p.Add(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	checkFiles(t, added.Files, "door", stack)
	key, err := os.ReadFile(added.Files.Key)
	if err != nil {
		t.Fatal(err)
	}
	first := added.CertificateID
	o.Renew = true
	added, err = p.Add(t.Context(), o)
	if err != nil || !slices.Equal(added.StillActive, []string{first}) || len(added.Deactivated) != 0 {
		t.Fatalf("renewed %+v, %v", added, err)
	}
	checkFiles(t, added.Files, "door", stack)
	if old, err := os.ReadFile(added.Files.Key + ".old"); err != nil || !bytes.Equal(old, key) {
		t.Errorf("the former key was not kept: %v", err)
	}
	for arn, c := range f.certs {
		if !c.active || !slices.Equal(c.things, []string{"door"}) || !slices.Equal(c.policies, []string{stack.Policy}) {
			t.Errorf("certificate %s is %+v", arn, c)
		}
	}
	_, err = p.Add(t.Context(), provision.AddOptions{Name: "yard", Dir: t.TempDir(), Renew: true})
	want(t, err, provision.ErrAbsent, "no camera yard to renew")
	_, err = p.Add(t.Context(), provision.AddOptions{Name: "yard", Dir: o.Dir})
	want(t, err, provision.ErrExists, "device.key exists already", "--out")
	_, err = p.Add(t.Context(), provision.AddOptions{Name: "yard", Dir: t.TempDir(), DeviceDir: "/etc\niot-key = x"})
	want(t, err, provision.ErrName, "no folder on a camera")
	if len(f.things) != 1 || len(f.certs) != 2 {
		t.Errorf("things %v, certificates %v", f.things, f.certs)
	}
}

// Whatever fails, nothing is left: no thing, no certificate, no key.
func TestWhatFailsIsTakenBack(t *testing.T) {
	for _, at := range []string{"DescribeThing", "CreateThing", "CreateCertificateFromCsr", "AttachPolicy", "AttachThingPrincipal", "another key"} {
		t.Run(at, func(t *testing.T) {
			f := newFake(t)
			f.fail, f.other = at, at == "another key"
			o := options(t, "door")
			_, err := provisioner(t, f, stack).Add(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), at) {
				t.Errorf("error %v, want one about %s", err, at)
			}
			if len(f.things) != 0 || len(f.certs) != 0 {
				t.Errorf("left: things %v, certificates %v", f.things, f.certs)
			}
			if left, err := filepath.Glob(o.Dir + "*/*"); err != nil || len(left) != 0 {
				t.Errorf("left: files %q, %v", left, err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"door", "site:1_cam-2", "DOOR", strings.Repeat("a", 128)} {
		if err := provision.CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, says := range map[string]string{"": "has no name", "a b": `"a b" is no name`, "house/door": "cannot have folders", "türe": "letters, digits", "demo": "everybody may see",
		strings.Repeat("a", 129): "has 129 characters", ".": "no name"} {
		want(t, provision.CheckName(name), provision.ErrName, says)
	}
}

func TestOnlyOurOwnThingsAreTouched(t *testing.T) {
	f := newFake(t)
	f.things["robot"] = map[string]string{}
	f.things["gate"] = map[string]string{"s3cam-stack": "other"}
	p := provisioner(t, f, stack)
	for name, says := range map[string]string{"robot": "that s3cam did not make", "gate": "belongs to the stack other"} {
		_, err := p.Add(t.Context(), provision.AddOptions{Name: name, Dir: t.TempDir(), Renew: true})
		want(t, err, provision.ErrOther, says)
		want(t, p.Remove(t.Context(), name), provision.ErrOther, says)
	}
	if cameras, err := p.List(t.Context()); err != nil || len(cameras) != 0 || len(f.things) != 2 {
		t.Errorf("list %v, %v, things %v", cameras, err, f.things)
	}
}

func TestRemoveWaitsForAWSAndCanBeRepeated(t *testing.T) {
	f := newFake(t)
	p := provisioner(t, f, stack)
	if _, err := p.Add(t.Context(), options(t, "door")); err != nil {
		t.Fatal(err)
	}
	f.fail = "DeleteThing"
	if err := p.Remove(t.Context(), "door"); err == nil || len(f.certs) != 0 || len(f.things) != 1 {
		t.Errorf("error %v, things %v, certificates %v", err, f.things, f.certs)
	}
	f.fail, f.busy = "", 5
	if err := p.Remove(t.Context(), "door"); err != nil || len(f.things) != 0 {
		t.Errorf("again: %v, things %v", err, f.things)
	}
	if _, err := p.Add(t.Context(), options(t, "door")); err != nil {
		t.Fatal(err)
	}
	f.busy = 100
	if err := p.Remove(t.Context(), "door"); err == nil || !strings.Contains(err.Error(), "things must be detached") {
		t.Errorf("AWS never gives in: %v", err)
	}
}

func TestACertificateOfSeveralThingsStays(t *testing.T) {
	f := newFake(t)
	p := provisioner(t, f, stack)
	if _, err := p.Add(t.Context(), options(t, "door")); err != nil {
		t.Fatal(err)
	}
	for _, c := range f.certs {
		c.things = append(c.things, "robot")
	}
	if err := p.Remove(t.Context(), "door"); err != nil || len(f.things) != 0 {
		t.Fatalf("error %v, things %v", err, f.things)
	}
	for _, c := range f.certs {
		if !c.active || !slices.Equal(c.things, []string{"robot"}) {
			t.Errorf("certificate %+v", c)
		}
	}
	if holders, err := provision.Holders(t.Context(), f, stack.Policy); err != nil || !slices.Equal(holders, []string{"robot"}) {
		t.Errorf("holders %q, %v", holders, err)
	}
}

func TestAnIncompleteStackIsRefused(t *testing.T) {
	s := stack
	s.Endpoint, s.RoleAlias = "", ""
	_, err := provision.New(provision.Config{IoT: newFake(t), Stack: s})
	want(t, err, provision.ErrStack, "has no IoTCredentialEndpoint, DeviceRoleAliasName", "s3cam deploy up")
}
