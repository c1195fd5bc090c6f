// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/test/aws/mototest"
)

// A server that knows S3 and its permissions independently of us.
func TestDeleteObjectsOfMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: deleting from moto, because of -short")
	}
	moto := mototest.Start(t)
	const bucket, role = "deletions", "deletions"
	moto.CreateBucket(t, bucket)
	moto.CreateRole(t, role, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"*"}]}`))
	client := func(c aws.Credentials) *s3.Client {
		cl, err := s3.New(s3.Config{Endpoint: moto.URL, Region: mototest.Region, Bucket: bucket, PathStyle: true,
			Credentials: s3.Static(c.AccessKeyID, s3.Secret(c.SecretAccessKey), s3.Secret(c.SessionToken))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cl.Close() })
		return cl
	}
	admin := client(moto.Admin)
	keys := append(numbered(30), "a<&>\"' b.ts", "ä/🎥.ts")
	for _, key := range append(keys, "kept.ts") {
		if _, err := admin.Put(t.Context(), key, strings.NewReader("x"), 1, s3.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		t.Helper()
		if err := admin.List(t.Context(), "", "", 0, func([]byte, int64) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	res, err := client(moto.AssumeRole(t, role, "cleaner")).DeleteObjects(t.Context(), keys)
	refused := errors.Is(err, s3.ErrAccessDenied) || err == nil && len(res.Refused) == len(keys) && errors.Is(&res.Refused[0], s3.ErrAccessDenied)
	if n := left(); !refused || n != len(keys)+1 {
		t.Errorf("without the permission: %+v, %v, %d left", res, err, n)
	}
	before := admin.Stats().Requests
	res, err = admin.DeleteObjects(t.Context(), append(keys, "none.ts"))
	requests := admin.Stats().Requests - before
	if n := left(); err != nil || res.Done != len(keys)+1 || len(res.Refused) != 0 || n != 1 || requests != 1 {
		t.Errorf("%+v, %v after %d requests, %d left", res, err, requests, n)
	}
}
