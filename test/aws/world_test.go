// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/test/aws/cfntest"
	"github.com/s3cam/s3cam/test/aws/lambdatest"
	"github.com/s3cam/s3cam/test/aws/mototest"
)

// built is the program under test, built once per run.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// bootstrap returns the path of the real bootstrap for this machine, built as scripts/lambda-build.sh builds it.
func bootstrap(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "s3cam-lambda-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(built.dir, "bootstrap"), "github.com/s3cam/s3cam/cmd/s3cam-lambda")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "bootstrap")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// person is who a key pair belongs to.
type person struct {
	role  string // logical id
	creds aws.Credentials
	may   func(call) error
}

// people knows the key pairs of the roles. It is also what the embedded engine asks (s3server.Accounts).
type people struct {
	mu    sync.Mutex
	byKey map[string]person
}

func (p *people) add(one person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byKey[one.creds.AccessKeyID] = one
}

// expire makes a session end: from then on its token is refused, also in URLs that it has signed.
func (p *people) expire(accessKey string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.byKey[accessKey]
	one.creds.SessionToken = "(expired)"
	p.byKey[accessKey] = one
}

func (p *people) find(accessKey string) (person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.byKey[accessKey]
	return one, ok
}

// Lookup implements s3server.Accounts. What the account may do was judged by the gate, which sees more of the request.
func (p *people) Lookup(accessKey, token string) (s3server.Account, error) {
	one, ok := p.find(accessKey)
	if !ok {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	if token != "" && token != one.creds.SessionToken || token == "" && one.creds.SessionToken == "(expired)" {
		return s3server.Account{}, s3server.ErrInvalidToken
	}
	return s3server.Account{SecretKey: s3server.Secret(one.creds.SecretAccessKey), Allow: func(action, bucket, key string) bool {
		if action == "s3:ListBucket" {
			return true // the gate knows the prefix
		}
		resource := "arn:aws:s3:::" + bucket
		if key != "" {
			resource += "/" + key
		}
		return one.may(call{action: action, resource: resource}) == nil
	}}, nil
}

// judge says whether the policies of the caller's role allow a call.
func (p *people) judge(c call) error {
	one, ok := p.find(c.accessKey)
	if !ok {
		return nil // the service refuses it by itself
	}
	if err := one.may(c); err != nil {
		return fmt.Errorf("%s: %w", one.role, err)
	}
	return nil
}

// world is one deployment.
type world struct {
	t           *testing.T
	stack       *cfntest.Stack
	moto        *mototest.Server
	engine      *s3server.Server
	video, site *s3server.Bucket
	s3, db, iot *gate
	people      *people
	functions   map[string]*lambdatest.Function // by logical id
	api         *lambdatest.Gateway
}

// options of a world.
type options struct {
	parameters map[string]string
	instances  int               // of each function
	spread     bool              // see lambdatest.Config
	env        map[string]string // on top of the template's
	timeout    time.Duration     // of the functions; 0: the template's
}

// key pair of the engine itself, for the tests.
const (
	rootKey    = "ROOTROOTROOTROOTROOT"
	rootSecret = "root/secret"
)

// newWorld deploys the global template's stack with its defaults. It fails the test at its end when a function was refused
// something.
func newWorld(t *testing.T, o options) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: the deployment under the emulator, because of -short")
	}
	w := &world{t: t, moto: mototest.Start(t), people: &people{byKey: map[string]person{}}, functions: map[string]*lambdatest.Function{}}
	template, err := cfntest.Parse(cloudformation.Template(false))
	if err != nil {
		t.Fatal(err)
	}
	settings := cfntest.Settings{Region: mototest.Region, AccountID: mototest.AccountID, StackUUID: uuid(), Parameters: map[string]string{"AssetsBucket": "assets", "AnonymousAccess": "true"}}
	maps.Copy(settings.Parameters, o.parameters)
	if w.stack, err = template.Evaluate(settings); err != nil {
		t.Fatal(err)
	}

	table := w.stack.Resources["CacheTable"].Text("TableName")
	w.moto.CreateTable(t, table)
	w.startEngine()
	w.s3 = newGate(t, w.engine.URL(), parseS3, w.people.judge)
	w.db = newGate(t, w.moto.URL, parseDynamoDB, w.people.judge)
	w.iot = newGate(t, startIoT(t, w.people), parseIoT, w.people.judge)
	t.Cleanup(func() {
		for _, g := range []*gate{w.s3, w.db, w.iot} {
			for _, d := range g.takeDenied() {
				t.Errorf("refused by policy: %s", d)
			}
		}
		if t.Failed() {
			for id, f := range w.functions {
				if logs := f.Logs(); logs != "" {
					t.Logf("%s: %.6000s", id, logs)
				}
			}
		}
	})

	for _, id := range []string{"PlaylistFunction", "ReplayFunction", "CamerasFunction", "DemositeFunction"} {
		w.startFunction(id, o)
	}
	w.startGateway()
	// Once more, now that the address of the API is known.
	settings.Attributes = map[string]string{"HttpApi.ApiEndpoint": w.api.URL}
	if w.stack, err = template.Evaluate(settings); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) startEngine() {
	w.t.Helper()
	var err error
	w.engine, err = s3server.New(s3server.Config{
		Dir: w.t.TempDir(), Addr: "127.0.0.1:0", AccessKey: rootKey, SecretKey: rootSecret, Accounts: w.people,
		Bucket: w.stack.Resources["S3VideoBucket"].Text("BucketName"), CORSOrigins: []string{"*"}, Durability: s3server.DurabilityNone,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.engine.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, s3server.ErrDrain) {
			w.t.Errorf("engine: %v", err)
		}
	})
	w.video = w.engine.Bucket()
	if w.site, err = w.engine.CreateBucket(w.stack.Resources["WebsiteBucket"].Text("BucketName")); err != nil {
		w.t.Fatal(err)
	}
}

// startFunction prepares a function of the stack with its own role. Nothing runs before the first call.
func (w *world) startFunction(id string, o options) {
	w.t.Helper()
	r := w.stack.Resources[id]
	role := strings.TrimSuffix(id, "Function") + "Role"
	w.createRole(role, nil)
	env := w.stack.Environment(id)
	maps.Copy(env, map[string]string{"AWS_ENDPOINT_URL_S3": w.s3.URL, "AWS_ENDPOINT_URL_DYNAMODB": w.db.URL, "AWS_ENDPOINT_URL_IOT": w.iot.URL})
	maps.Copy(env, credentialsEnv(w.session(role, nil)))
	maps.Copy(env, o.env)
	timeout := o.timeout
	if timeout == 0 {
		timeout = time.Duration(number(w.t, r.Text("Timeout"))) * time.Second
	}
	w.functions[id] = lambdatest.New(w.t, lambdatest.Config{
		Name: r.Text("FunctionName"), Bootstrap: bootstrap(w.t), Env: env, Region: w.stack.Region, MemoryMB: number(w.t, r.Text("MemorySize")),
		Timeout: timeout, Instances: max(o.instances, 1), Spread: o.spread, Freeze: true,
	})
}

// startGateway serves the routes of the template.
func (w *world) startGateway() {
	w.t.Helper()
	routes, err := w.stack.Routes()
	if err != nil {
		w.t.Fatal(err)
	}
	var cfg lambdatest.GatewayConfig
	for _, r := range routes {
		f, ok := w.functions[r.Function]
		if !ok {
			w.t.Fatalf("route %s leads to %s, which does not exist", r.Key, r.Function)
		}
		cfg.Routes = append(cfg.Routes, lambdatest.Route{Key: r.Key, Function: f, Timeout: r.Timeout})
	}
	if cors, ok := w.stack.Resources["HttpApi"].Get("CorsConfiguration").(map[string]any); ok {
		cfg.CORS = &lambdatest.CORS{
			AllowOrigins: texts(cors["AllowOrigins"]), AllowMethods: texts(cors["AllowMethods"]), AllowHeaders: texts(cors["AllowHeaders"]),
			ExposeHeaders: texts(cors["ExposeHeaders"]),
		}
		if age, ok := cors["MaxAge"].(string); ok {
			cfg.CORS.MaxAge = number(w.t, age)
		}
	}
	w.api = lambdatest.StartGateway(w.t, cfg)
}

// roleName returns the name of a role in moto: that of the template, and the camera where a session depends on it.
func (w *world) roleName(role string, thing *string) string {
	name := w.stack.Resources[role].Text("RoleName")
	if thing != nil {
		name += "-" + strings.ReplaceAll(*thing, "/", "-")
	}
	return name
}

// createRole makes the role in moto, with the policies of the template. thing is the camera of a device's session.
func (w *world) createRole(role string, thing *string) {
	w.t.Helper()
	var documents [][]byte
	list, _ := w.stack.Resources[role].Get("Policies").([]any)
	for _, p := range list {
		text, err := json.Marshal(p.(map[string]any)["PolicyDocument"])
		if err != nil {
			w.t.Fatal(err)
		}
		if thing != nil {
			text = []byte(strings.ReplaceAll(string(text), "${credentials-iot:ThingName}", *thing))
		}
		documents = append(documents, text)
	}
	if len(documents) == 0 {
		w.t.Fatalf("%s has no policies", role)
	}
	w.moto.CreateRole(w.t, w.roleName(role, thing), documents...)
}

// session returns new temporary credentials of a role, known to all services.
func (w *world) session(role string, thing *string) aws.Credentials {
	w.t.Helper()
	c := w.moto.AssumeRole(w.t, w.roleName(role, thing), "session")
	w.people.add(person{role: role, creds: c, may: w.rule(role, thing)})
	return c
}

// device makes a camera and returns its credentials, as the IoT credential endpoint would give them for its certificate.
func (w *world) device(name string) aws.Credentials {
	w.t.Helper()
	w.createRole("DeviceRole", &name)
	return w.session("DeviceRole", &name)
}

func credentialsEnv(c aws.Credentials) map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": c.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.SecretAccessKey, "AWS_SESSION_TOKEN": c.SessionToken}
}

// texts reads a list of strings of the template.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprint(s))
	}
	return out
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// uuid makes each world's names its own.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// get sends a request to the API. Redirects are not followed, nothing is decompressed.
func (w *world) get(method, path string, header http.Header) response {
	w.t.Helper()
	return fetch(w.t, method, w.api.URL+path, header)
}

// sortedKeys lists what a bucket holds.
func sortedKeys(t *testing.T, b *s3server.Bucket) []string {
	t.Helper()
	var keys []string
	if err := b.ListKeys(t.Context(), "", "", func(k []byte) bool { keys = append(keys, string(k)); return true }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// rule makes the judge of a role's session from the policies of the template.
func (w *world) rule(role string, thing *string) func(call) error {
	w.t.Helper()
	policy, err := w.stack.Policy(role)
	if err != nil {
		w.t.Fatal(err)
	}
	return func(c call) error {
		request := cfntest.Request{Action: c.action, Resource: c.resource, Context: map[string]string{"aws:SecureTransport": "true"}}
		if c.query.Has("prefix") {
			request.Context["s3:prefix"] = c.prefix
		}
		if thing != nil {
			request.Context["credentials-iot:ThingName"] = *thing
		}
		if d := policy.Decide(request); d != cfntest.Allow {
			return errors.New(d.String())
		}
		return nil
	}
}

// firstKey returns the access key that a function was given first.
func (w *world) firstKey(function string) string {
	w.people.mu.Lock()
	defer w.people.mu.Unlock()
	for key, p := range w.people.byKey {
		if p.role == strings.TrimSuffix(function, "Function")+"Role" {
			return key
		}
	}
	return ""
}
