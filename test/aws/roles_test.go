// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
	"github.com/s3cam/s3cam/s3"
)

// clients are three independent ways to the same service with the same credentials.
type clients struct {
	url, bucket string
	creds       aws.Credentials
	sdk         *awss3.Client
	ours        *s3.Client
	device      *s3put.Client
}

func newClients(t *testing.T, url, region, bucket string, c aws.Credentials) *clients {
	t.Helper()
	a := &clients{url: url, bucket: bucket, creds: c}
	a.sdk = awss3.New(awss3.Options{Region: region, BaseEndpoint: aws.String(url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })})
	var err error
	a.ours, err = s3.New(s3.Config{Endpoint: url, Region: region, Bucket: bucket, PathStyle: true, MaxAttempts: 1,
		Credentials: s3.Static(c.AccessKeyID, s3.Secret(c.SecretAccessKey), s3.Secret(c.SessionToken))})
	if err != nil {
		t.Fatal(err)
	}
	a.device, err = s3put.New(s3put.Config{Endpoint: url, Region: region, Bucket: bucket, PathStyle: true,
		Credentials: func(context.Context) (sigv4.Credentials, error) {
			return sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: sigv4.Secret(c.SecretAccessKey), SessionToken: sigv4.Secret(c.SessionToken)}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.device.Close(); _ = a.ours.Close() })
	return a
}

// verdict is "ok", or the code with which the service refused.
func verdict(err error) string {
	var ours *s3.Error
	var device *s3put.Error
	var sdk smithy.APIError
	var status interface{ HTTPStatusCode() int }
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &ours):
		return codeOr(ours.Code, ours.Status)
	case errors.As(err, &device):
		return codeOr(device.Code, device.Status)
	case errors.As(err, &sdk):
		code := sdk.ErrorCode()
		if code == "Forbidden" || code == "AccessDeniedException" { // what the SDK calls a 403 without a body; DynamoDB's own code
			return "AccessDenied"
		}
		return code
	case errors.As(err, &status): // moto's refusals of DynamoDB are in XML, which is not DynamoDB's form
		return codeOr("", status.HTTPStatusCode())
	}
	return err.Error()
}

func codeOr(code string, status int) string {
	if code == "" && status == 403 {
		return "AccessDenied"
	}
	if code == "" {
		return fmt.Sprint(status)
	}
	return code
}

// operations of S3, each by every client that has it. The results must agree.
func (a *clients) do(t *testing.T, op, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	body := []byte("segment of " + key)
	var results []string
	switch op {
	case "put", "put with tags":
		tags := ""
		if op == "put with tags" {
			tags = "site=7&project=front%20door"
		}
		in := &awss3.PutObjectInput{Bucket: &a.bucket, Key: aws.String(strings.Replace(key, ".", "-sdk.", 1)), Body: bytes.NewReader(body)}
		if tags != "" {
			in.Tagging = aws.String(tags)
		}
		_, err := a.sdk.PutObject(ctx, in)
		results = append(results, verdict(err))
		_, err = a.ours.PutOnce(ctx, strings.Replace(key, ".", "-ours.", 1), bytes.NewReader(body), int64(len(body)), s3.PutOptions{Tags: tags, IfNoneMatch: true})
		results = append(results, verdict(err))
		_, err = a.device.Put(ctx, &s3put.Object{Key: key, Parts: [2][]byte{body}, Size: len(body), CRC32C: crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)), Tags: tags})
		results = append(results, verdict(err))
	case "get":
		out, err := a.sdk.GetObject(ctx, &awss3.GetObjectInput{Bucket: &a.bucket, Key: &key})
		if err == nil {
			_ = out.Body.Close()
		}
		results = append(results, verdict(err))
		o, err := a.ours.Get(ctx, key, s3.GetOptions{})
		if err == nil {
			_ = o.Body.Close()
		}
		results = append(results, verdict(err))
	case "head":
		_, err := a.sdk.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &a.bucket, Key: &key})
		results = append(results, verdict(err))
		_, err = a.ours.Head(ctx, key)
		results = append(results, verdict(err))
	case "delete":
		_, err := a.sdk.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &a.bucket, Key: &key})
		results = append(results, verdict(err), verdict(a.ours.Delete(ctx, key)))
	case "list":
		_, err := a.sdk.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &a.bucket, Prefix: &key})
		results = append(results, verdict(err), verdict(a.ours.List(ctx, key, "", 0, func([]byte, int64) bool { return true })))
	case "list all":
		_, err := a.sdk.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &a.bucket})
		results = append(results, verdict(err))
	default:
		t.Fatalf("no operation %s", op)
	}
	for _, r := range results[1:] {
		if r != results[0] {
			return fmt.Sprintf("the clients disagree: %q", results)
		}
	}
	return results[0]
}

const refused = "AccessDenied"

// TestServicesEnforceTheRoles asks two independent judges: moto, which knows neither conditions nor listing prefixes, and
// the policy evaluator before the embedded engine, which does.
func TestServicesEnforceTheRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	video, site := w.video.Name(), w.site.Name()
	for _, b := range []string{video, site, "somebody-elses"} {
		w.moto.CreateBucket(t, b)
	}
	if _, err := w.engine.CreateBucket("somebody-elses"); err != nil {
		t.Fatal(err)
	}
	const there = "cam1/2026/03/01/10/00/00.ts"
	root := newClients(t, w.engine.URL(), w.stack.Region, video, aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: rootSecret})
	admin := newClients(t, w.moto.URL, w.stack.Region, video, w.moto.Admin)
	for _, c := range []*clients{root, admin} {
		if got := c.do(t, "put", there); got != "ok" {
			t.Fatal(got)
		}
	}

	tests := []struct {
		role, bucket, op, key, want string
		onlyOurs                    string // what the evaluator says, where moto cannot know
	}{
		{"DeviceRole", video, "put", "cam1/2026/03/01/10/00/03.ts", "ok", ""},
		{"DeviceRole", video, "put with tags", "cam1/2026/03/01/10/00/06.ts", "ok", ""},
		{"DeviceRole", video, "put", "cam2/2026/03/01/10/00/03.ts", refused, ""},
		{"DeviceRole", video, "put", "cam1x/2026/03/01/10/00/03.ts", refused, ""},
		{"DeviceRole", video, "put", "cam1/2026/03/01/10/00/03.mp4", refused, ""},
		{"DeviceRole", video, "put", "demo/2026/03/01/10/00/03.ts", refused, ""},
		{"DeviceRole", site, "put", "cam1/2026/03/01/10/00/03.ts", refused, ""},
		{"DeviceRole", "somebody-elses", "put", "cam1/2026/03/01/10/00/03.ts", refused, ""},
		{"DeviceRole", video, "get", there, refused, ""},
		{"DeviceRole", video, "head", there, refused, ""},
		{"DeviceRole", video, "delete", there, refused, ""},
		{"DeviceRole", video, "list", "cam1/2026/03/01/", refused, ""},

		{"PlaylistRole", video, "list", "cam1/2026/03/01/", "ok", ""},
		{"PlaylistRole", video, "list", "cam1/2026/03/", "ok", refused},
		{"PlaylistRole", video, "list", "cam1/", "ok", refused},
		{"PlaylistRole", video, "list all", "", "ok", refused},
		{"PlaylistRole", video, "get", there, "ok", ""},
		{"PlaylistRole", video, "put", "cam1/2026/03/01/10/00/09.ts", refused, ""},
		{"PlaylistRole", video, "delete", there, refused, ""},
		{"PlaylistRole", site, "list", "cam1/2026/03/01/", refused, ""},
		{"ReplayRole", video, "list", "cam1/2026/03/01/", "ok", ""},
		{"ReplayRole", video, "list all", "", "ok", refused},
		{"ReplayRole", video, "get", there, "ok", ""},
		{"ReplayRole", video, "get", "cam1/2026/03/01/10/00/00.txt", refused, ""},
		{"ReplayRole", video, "put", "cam1/2026/03/01/10/00/09.ts", refused, ""},
		{"ReplayRole", video, "delete", there, refused, ""},
		{"CamerasRole", video, "list all", "", "ok", ""},
		{"CamerasRole", video, "list", "cam1/", "ok", ""},
		{"CamerasRole", video, "get", there, refused, ""},
		{"CamerasRole", video, "put", "cam1/2026/03/01/10/00/09.ts", refused, ""},
		{"CamerasRole", site, "list all", "", refused, ""},

		{"DemositeRole", site, "list all", "", "ok", ""},
		{"DemositeRole", site, "put", "demosite/x.html", "ok", ""},
		{"DemositeRole", site, "delete", "demosite/x.html", "ok", ""},
		{"DemositeRole", site, "get", "demosite/x.html", refused, ""},
		{"DemositeRole", video, "put", "demo/2021/01/01/00/00/00.ts", "ok", ""},
		{"DemositeRole", video, "put", "cam1/2021/01/01/00/00/00.ts", refused, ""},
		{"DemositeRole", video, "get", there, refused, ""},
		{"DemositeRole", video, "delete", there, refused, ""},
		{"DemositeRole", video, "delete", "demo/2021/01/01/00/00/00.ts", refused, ""},
		{"DemositeRole", video, "list all", "", refused, ""},
	}
	sessions := map[string]aws.Credentials{"DeviceRole": w.device("cam1")}
	for _, role := range []string{"PlaylistRole", "ReplayRole", "CamerasRole", "DemositeRole"} {
		sessions[role] = w.session(role, nil)
	}
	for _, tt := range tests {
		name := fmt.Sprintf("%s: %s %s/%s", tt.role, tt.op, tt.bucket[:5], tt.key)
		byMoto := newClients(t, w.moto.URL, w.stack.Region, tt.bucket, sessions[tt.role])
		if got := byMoto.do(t, tt.op, tt.key); got != tt.want {
			t.Errorf("moto: %s: %s, want %s", name, got, tt.want)
		}
		want := tt.want
		if tt.onlyOurs != "" {
			want = tt.onlyOurs
		}
		byEngine := newClients(t, w.s3.URL, w.stack.Region, tt.bucket, sessions[tt.role])
		if got := byEngine.do(t, tt.op, tt.key); got != want {
			t.Errorf("evaluator and engine: %s: %s, want %s", name, got, want)
		}
	}
	w.s3.takeDenied() // asked for
	w.checkTable(t, sessions)
}

// checkTable asks DynamoDB: moto judges the action, the gate also the table.
func (w *world) checkTable(t *testing.T, sessions map[string]aws.Credentials) {
	t.Helper()
	own := w.stack.Resources["CacheTable"].Text("TableName")
	w.moto.CreateTable(t, own+"-other")
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "role test"}}
	for role, c := range sessions {
		db := func(url string) *dynamodb.Client {
			return dynamodb.New(dynamodb.Options{Region: w.stack.Region, BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })})
		}
		get := func(url, table string) string {
			_, err := db(url).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
			return verdict(err)
		}
		put := func(url, table string) string {
			_, err := db(url).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: key})
			return verdict(err)
		}
		scan := func(url, table string) string {
			_, err := db(url).Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
			return verdict(err)
		}
		del := func(url, table string) string {
			_, err := db(url).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key})
			return verdict(err)
		}
		want := refused
		if role == "PlaylistRole" || role == "ReplayRole" {
			want = "ok"
		}
		for what, got := range map[string][2]string{
			"get by moto": {get(w.moto.URL, own), want}, "get": {get(w.db.URL, own), want},
			"put by moto": {put(w.moto.URL, own), want}, "put": {put(w.db.URL, own), want},
			"scan by moto": {scan(w.moto.URL, own), refused}, "scan": {scan(w.db.URL, own), refused},
			"delete by moto": {del(w.moto.URL, own), refused}, "delete": {del(w.db.URL, own), refused},
			"get from another table": {get(w.db.URL, own+"-other"), refused}, "put to another table": {put(w.db.URL, own+"-other"), refused},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %s: %s, want %s", role, what, got[0], got[1])
			}
		}
	}
	w.db.takeDenied()
}
