// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// ownClient is s3cam's client for a target; its keys do not get the target's prefix by themselves.
func ownClient(t *testing.T, tg *target, now func() time.Time) *s3.Client {
	t.Helper()
	c, err := s3.New(s3.Config{
		Endpoint: tg.url, Region: tg.region, Bucket: tg.bucket, PathStyle: true,
		Credentials: s3.Static(tg.access, s3.Secret(tg.secret), ""), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestOwnClient(t *testing.T) {
	tg := newTarget(t)
	c, ctx := ownClient(t, tg, nil), context.Background()
	key, body := tg.prefix+segmentKey, randomBytes(1_900_000, 1)
	put := func(opts s3.PutOptions) error {
		_, err := c.Put(ctx, key, strings.NewReader(body), int64(len(body)), opts)
		return err
	}
	if err := put(s3.PutOptions{ContentType: "video/mp2t", Tags: "event=motion", IfNoneMatch: true}); err != nil {
		t.Fatalf("put: %v", err)
	}
	if err := put(s3.PutOptions{IfNoneMatch: true}); !errors.Is(err, s3.ErrExists) {
		t.Errorf("second conditional put: %v, want ErrExists", err)
	}
	wrong := uint32(1)
	if err := put(s3.PutOptions{CRC32C: &wrong}); err == nil {
		t.Error("a wrong CRC32C was accepted")
	}
	obj, err := c.Get(ctx, key, s3.GetOptions{})
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	b, err := io.ReadAll(obj.Body)
	_ = obj.Body.Close()
	if err != nil || string(b) != body || obj.Size != int64(len(body)) || obj.ContentType != "video/mp2t" {
		t.Errorf("get: %d bytes, size %d, %q, %v", len(b), obj.Size, obj.ContentType, err)
	}
	if b, err := c.ReadRange(ctx, key, 188, 376); err != nil || string(b) != body[188:188+376] {
		t.Errorf("read range: %d bytes, %v", len(b), err)
	}
	if _, err := c.ReadRange(ctx, key, int64(len(body))+5, 10); !errors.Is(err, s3.ErrRange) {
		t.Errorf("read behind the end: %v, want ErrRange", err)
	}
	info, err := c.Head(ctx, key)
	if err != nil || info.Size != int64(len(body)) {
		t.Errorf("head: %+v, %v", info, err)
	}
	p, err := c.Presigner(ctx, time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(string(p.AppendGet(nil, key)))
	if err != nil {
		t.Fatal(err)
	}
	b, _ = io.ReadAll(res.Body)
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != 200 || string(b) != body {
		t.Errorf("presigned: %d, %d bytes", res.StatusCode, len(b))
	}
	if err := c.Delete(ctx, key); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := c.Head(ctx, key); !errors.Is(err, s3.ErrNotFound) {
		t.Errorf("head after delete: %v, want ErrNotFound", err)
	}
	if _, err := c.Get(ctx, key, s3.GetOptions{}); !errors.Is(err, s3.ErrNotFound) {
		t.Errorf("get after delete: %v, want ErrNotFound", err)
	}
}

func TestOwnClientLearnsTheClock(t *testing.T) {
	tg := newTarget(t)
	c := ownClient(t, tg, func() time.Time { return time.Now().Add(-3 * time.Hour) })
	if _, err := c.Put(context.Background(), tg.prefix+"x", strings.NewReader("x"), 1, s3.PutOptions{}); err != nil {
		t.Errorf("put with a clock three hours late: %v", err)
	}
	if off := c.ClockOffset(); off < 179*time.Minute || off > 181*time.Minute {
		t.Errorf("learned %v, want 3h", off)
	}
}

func TestOwnClientListsAsTheModel(t *testing.T) {
	tg := newTarget(t)
	c, ctx := ownClient(t, tg, nil), context.Background()
	r := rand.New(rand.NewPCG(3, 4))
	keys := randomKeys(r, 120)
	for _, k := range keys {
		tg.put(t, k, "x")
	}
	for range 150 {
		prefix, after := pick(r, keys), ""
		if r.IntN(2) == 0 {
			after = tg.prefix + pick(r, keys)
		}
		var got []string
		err := c.List(ctx, tg.prefix+prefix, after, []int{0, 1, 3, 50}[r.IntN(4)], func(k []byte, size int64) bool {
			got = append(got, strings.TrimPrefix(string(k), tg.prefix))
			return size == 1
		})
		if want := model(keys, prefix, "", strings.TrimPrefix(after, tg.prefix)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("prefix %q after %q: %v\n got %q\nwant %q", prefix, after, err, got, want)
		}
		folder := prefix[:strings.LastIndex(prefix, "/")+1]
		var folders, want []string
		if err := c.ListFolders(ctx, tg.prefix+folder, func(n string) bool { folders = append(folders, n); return true }); err != nil {
			t.Fatal(err)
		}
		for _, item := range model(keys, folder, "/", "") {
			if name, ok := strings.CutSuffix(item[len(folder):], "/"); ok {
				want = append(want, name)
			}
		}
		if !slices.Equal(folders, want) {
			t.Fatalf("folders of %q:\n got %q\nwant %q", folder, folders, want)
		}
	}
}
