// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// motoTable starts moto_server, which knows DynamoDB independently of us, and makes a table as the template does.
func motoTable(t *testing.T) (*dynamodb.Client, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: the conformance run against moto, because of -short")
	}
	program, err := exec.LookPath("moto_server")
	if local := filepath.Join("..", "..", "build", "py", "bin", "moto_server"); isFile(local) {
		program, err = filepath.Abs(local)
	}
	if err != nil {
		t.Skip("SKIPPED: the conformance run against moto, because moto_server is neither in build/py/bin nor on PATH")
	}
	port := freePort(t)
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("SKIPPED: the conformance run against moto, because moto_server does not start: %v", err)
	}
	exited := make(chan struct{})
	go func() { defer close(exited); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-exited })

	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1:" + port),
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: aws.String("IPC-Cache"), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		})
		if err == nil {
			break
		}
		select {
		case <-exited:
			t.Skipf("SKIPPED: the conformance run against moto, because moto_server ended: %s", out.String())
		case <-ctx.Done():
			t.Fatalf("moto_server does not answer: %v\n%s", err, out.String())
		case <-time.After(100 * time.Millisecond): // a real process: poll it
		}
	}
	if _, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: aws.String("IPC-Cache"),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires_at"), Enabled: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	return client, "IPC-Cache"
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
