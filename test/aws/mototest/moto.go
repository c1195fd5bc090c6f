// SPDX-License-Identifier: Apache-2.0

package mototest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// What the server's account is.
const (
	Region    = "us-east-1"
	AccountID = "123456789012"
)

// Server is a running moto_server with authorization switched on. It may be used by several tests at once.
type Server struct {
	URL   string          // endpoint of all services
	Admin aws.Credentials // may do everything
}

var shared struct {
	once   sync.Once
	server *Server
	stdin  io.WriteCloser // the server ends when this is closed: at the latest with this process
	skip   string
	err    error
}

// Start returns the server of this test binary. It skips the test when moto_server is not installed.
func Start(tb testing.TB) *Server {
	tb.Helper()
	shared.once.Do(func() { shared.server, shared.skip, shared.err = start() })
	if shared.skip != "" {
		tb.Skip("SKIPPED: " + shared.skip)
	}
	if shared.err != nil {
		tb.Fatalf("moto_server: %v", shared.err)
	}
	return shared.server
}

// Find returns the path of a Python tool of the tests: of the pinned one in build/py/bin, else of one on PATH.
func Find(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			if path, err := exec.LookPath(filepath.Join(dir, "build", "py", "bin", name)); err == nil {
				return path, nil
			}
			return exec.LookPath(name)
		}
		if dir == filepath.Dir(dir) {
			return exec.LookPath(name)
		}
		dir = filepath.Dir(dir)
	}
}

func start() (*Server, string, error) {
	path, err := Find("moto_server")
	if err != nil {
		return nil, "no moto_server in build/py/bin or on PATH, so roles and tables are not tested (make deps installs it)", nil
	}
	// The shell kills the server when its standard input ends, so also when this process is killed.
	cmd := exec.Command("/bin/sh", "-c", `"$@" & pid=$!; read x; kill $pid; wait $pid`, "sh", path, "-H", "127.0.0.1", "-p", "0")
	cmd.Env = append(os.Environ(), "INITIAL_NO_AUTH_ACTION_COUNT=1000000", "PYTHONUNBUFFERED=1", "NO_COLOR=1")
	if shared.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	_ = w.Close()
	address := make(chan string, 1)
	go func() { // until the server ends: it writes a line per request
		found := regexp.MustCompile(`Running on (http://[0-9.:]+)`)
		lines := bufio.NewScanner(r)
		var said []string
		for lines.Scan() {
			if m := found.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
				_, _ = io.Copy(io.Discard, r)
				return
			}
			said = append(said, lines.Text())
		}
		address <- "!" + strings.Join(said, "\n")
	}()
	s := &Server{}
	select {
	case s.URL = <-address:
		if said, failed := strings.CutPrefix(s.URL, "!"); failed {
			return nil, "", fmt.Errorf("%s ended: %s", path, said)
		}
	case <-time.After(60 * time.Second):
		return nil, "", fmt.Errorf("%s does not say where it listens", path)
	}
	return s, "", s.setUp()
}

// setUp makes the administrator and switches authorization on.
func (s *Server) setUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	s.Admin = aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "anything until authorization is on"}
	all := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	if _, err := s.iam(ctx, url.Values{"Action": {"CreateUser"}, "UserName": {"admin"}}); err != nil {
		return err
	}
	if _, err := s.iam(ctx, url.Values{"Action": {"PutUserPolicy"}, "UserName": {"admin"}, "PolicyName": {"all"}, "PolicyDocument": {all}}); err != nil {
		return err
	}
	text, err := s.iam(ctx, url.Values{"Action": {"CreateAccessKey"}, "UserName": {"admin"}})
	if err != nil {
		return err
	}
	id := regexp.MustCompile(`<AccessKeyId>([^<]+)<`).FindStringSubmatch(text)
	secret := regexp.MustCompile(`<SecretAccessKey>([^<]+)<`).FindStringSubmatch(text)
	if id == nil || secret == nil {
		return errors.New("no access key in the answer to CreateAccessKey")
	}
	s.Admin = aws.Credentials{AccessKeyID: id[1], SecretAccessKey: secret[1]}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/moto-api/reset-auth", strings.NewReader("0"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("reset-auth: status %d", res.StatusCode)
	}
	return nil
}

// iam sends one request of the IAM query API as the administrator.
func (s *Server) iam(ctx context.Context, form url.Values) (string, error) {
	form.Set("Version", "2010-05-08")
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, s.Admin, req, hex.EncodeToString(hash[:]), "iam", Region, time.Now()); err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("iam %s: status %d: %s", form.Get("Action"), res.StatusCode, text)
	}
	return string(text), nil
}

// Config returns what clients of the SDK need to talk to the server with these credentials. S3 clients need UsePathStyle too.
func (s *Server) Config(c aws.Credentials) aws.Config {
	return aws.Config{
		Region: Region, BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: 1,
		Credentials: credentials.StaticCredentialsProvider{Value: c},
	}
}

// CreateRole makes a role that anybody may assume, with the given policies (as JSON, adapted by AdaptPolicy). The role's real
// trust policy names services, which moto does not know.
func (s *Server) CreateRole(tb testing.TB, name string, policies ...[]byte) {
	tb.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	if _, err := s.iam(tb.Context(), url.Values{"Action": {"CreateRole"}, "RoleName": {name}, "AssumeRolePolicyDocument": {trust}}); err != nil {
		tb.Fatal(err)
	}
	for i, p := range policies {
		adapted, err := AdaptPolicy(p)
		if err != nil {
			tb.Fatal(err)
		}
		form := url.Values{"Action": {"PutRolePolicy"}, "RoleName": {name}, "PolicyName": {fmt.Sprintf("p%d", i)}, "PolicyDocument": {string(adapted)}}
		if _, err := s.iam(tb.Context(), form); err != nil {
			tb.Fatal(err)
		}
	}
}

// AssumeRole returns temporary credentials of a role.
func (s *Server) AssumeRole(tb testing.TB, role, session string) aws.Credentials {
	tb.Helper()
	out, err := sts.NewFromConfig(s.Config(s.Admin)).AssumeRole(tb.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + AccountID + ":role/" + role), RoleSessionName: aws.String(session)})
	if err != nil {
		tb.Fatalf("assume role %s: %v", role, err)
	}
	c := out.Credentials
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// CreateTable makes a table as the template does: pay per request, key pk (text), time to live in expires_at.
func (s *Server) CreateTable(tb testing.TB, name string) {
	tb.Helper()
	db := dynamodb.NewFromConfig(s.Config(s.Admin))
	_, err := db.CreateTable(tb.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(name), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	})
	if err == nil {
		_, err = db.UpdateTimeToLive(tb.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String(name),
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires_at"), Enabled: aws.Bool(true)}})
	}
	if err != nil {
		tb.Fatalf("create table %s: %v", name, err)
	}
}

// CreateBucket makes a bucket.
func (s *Server) CreateBucket(tb testing.TB, name string) {
	tb.Helper()
	client := s3.NewFromConfig(s.Config(s.Admin), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		tb.Fatalf("create bucket %s: %v", name, err)
	}
}

// AdaptPolicy rewrites a policy to what moto can judge: no conditions, which it would take as refused, and no resources of
// services other than S3, for which it compares the resource with "*". Both only widen what is allowed. A statement that denies
// under a condition is left out.
func AdaptPolicy(policy []byte) ([]byte, error) {
	var doc struct {
		Version   string
		Statement json.RawMessage
	}
	if err := json.Unmarshal(policy, &doc); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	var list []map[string]any
	if text := bytes.TrimSpace(doc.Statement); len(text) > 0 && text[0] == '{' {
		doc.Statement = append(append(json.RawMessage("["), text...), ']')
	}
	if err := json.Unmarshal(doc.Statement, &list); err != nil {
		return nil, fmt.Errorf("statements of a policy: %w", err)
	}
	kept := []map[string]any{}
	for _, st := range list {
		if _, conditional := st["Condition"]; conditional && st["Effect"] == "Deny" {
			continue
		}
		delete(st, "Condition")
		if !isS3(st["Action"]) {
			st["Resource"] = "*"
		}
		kept = append(kept, st)
	}
	return json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": kept})
}

// isS3 says whether an Action element names actions of S3 only.
func isS3(action any) bool {
	switch a := action.(type) {
	case string:
		return strings.HasPrefix(a, "s3:")
	case []any:
		for _, one := range a {
			if !isS3(one) {
				return false
			}
		}
		return len(a) > 0
	}
	return false
}
