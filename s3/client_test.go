// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// keys that tease encoders on the way there and back.
var oddKeys = []string{
	"cam1/2026/03/09/04/05/06.ts", "a b", "a+b", "a=b&c=d", "q?x=1#frag", "100%", "100%20", "ä/録画/🎥.ts", "semi;colon,comma:at@",
	"quote'\"<>&amp;", "dots/../up", "dots/./here", "double//slash", "/leading", "trailing/", "~tilde!*'()", "back\\slash|pipe^`{}[]",
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	for _, start := range []struct {
		name string
		new  func(testing.TB) *fakeS3
	}{{"http", newFake}, {"https", newTLSFake}} {
		t.Run(start.name, func(t *testing.T) {
			f := start.new(t)
			f.token = "session/token+="
			c, _ := f.client()
			ctx := context.Background()
			r := rand.New(rand.NewPCG(1, 2))
			for i, key := range oddKeys {
				data := make([]byte, []int{0, 1, 4096, 70_000, 1_900_000}[i%5])
				for j := range data {
					data[j] = byte(r.Uint32())
				}
				res, err := c.Put(ctx, key, bytes.NewReader(data), int64(len(data)), s3.PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, Tags: "a=b%20c"})
				if err != nil {
					t.Fatalf("Put(%q): %v", key, err)
				}
				if res.Date.IsZero() || time.Since(res.Date).Abs() > time.Minute {
					t.Errorf("Put(%q): date %v", key, res.Date)
				}
				if o, ok := f.object(key); !ok || !bytes.Equal(o.data, data) || o.contentType != "video/mp2t" || o.tags != "a=b%20c" {
					t.Fatalf("Put(%q) stored %d bytes, %q, %q", key, len(o.data), o.contentType, o.tags)
				}
				obj, err := c.Get(ctx, key, s3.GetOptions{})
				if err != nil {
					t.Fatalf("Get(%q): %v", key, err)
				}
				got, err := io.ReadAll(obj.Body)
				obj.Body.Close()
				if err != nil || !bytes.Equal(got, data) || obj.Size != int64(len(data)) || obj.ContentType != "video/mp2t" || obj.ETag != `"etag"` {
					t.Fatalf("Get(%q) = %d bytes, %+v, %v", key, len(got), obj.ObjectInfo, err)
				}
				info, err := c.Head(ctx, key)
				want := s3.ObjectInfo{Size: int64(len(data)), ETag: `"etag"`, ContentType: "video/mp2t", LastModified: time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC)}
				if err != nil || info != want {
					t.Errorf("Head(%q) = %+v, %v, want %+v", key, info, err, want)
				}
			}
			var listed []string
			for _, size := range []int{0, 1, 3} {
				listed = listed[:0]
				if err := c.List(ctx, "", "", size, func(key []byte, _ int64) bool { listed = append(listed, string(key)); return true }); err != nil {
					t.Fatal(err)
				}
				want := slices.Sorted(slices.Values(oddKeys))
				if !slices.Equal(listed, want) {
					t.Errorf("List with pages of %d = %q, want %q", size, listed, want)
				}
			}
			for _, key := range oddKeys {
				if err := c.Delete(ctx, key); err != nil {
					t.Errorf("Delete(%q): %v", key, err)
				}
			}
			if err := c.Delete(ctx, "never there"); err != nil {
				t.Errorf("Delete of a missing key: %v", err)
			}
			if _, err := c.Head(ctx, oddKeys[0]); !errors.Is(err, s3.ErrNotFound) {
				t.Errorf("Head of a deleted key: %v, want ErrNotFound", err)
			}
		})
	}
}

func TestListStopsAndStarts(t *testing.T) {
	f := newFake(t)
	f.store("cam1/a", "cam1/b", "cam1/c", "cam10/x", "cam2/y")
	c, _ := f.client()
	list := func(prefix, after string, size, stop int) (got []string) {
		err := c.List(context.Background(), prefix, after, size, func(k []byte, n int64) bool {
			if n != int64(len(k)) {
				t.Errorf("size of %q = %d", k, n)
			}
			got = append(got, string(k))
			return len(got) != stop
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := list("cam1/", "cam1/a", 0, 0); strings.Join(got, " ") != "cam1/b cam1/c" {
		t.Errorf("start after = %q", got)
	}
	before := f.count()
	if got := list("", "", 2, 2); strings.Join(got, " ") != "cam1/a cam1/b" || f.count() != before+1 {
		t.Errorf("stopped list = %q with %d requests, want one page", got, f.count()-before)
	}
	if q := f.request(before).URL.Query(); q.Get("max-keys") != "2" || q.Get("list-type") != "2" {
		t.Errorf("query = %v", q)
	}
	if got := list("nothing/", "", 0, 0); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	var folders []string
	for _, prefix := range []string{"", "cam1"} {
		if err := c.ListFolders(context.Background(), prefix, func(name string) bool { folders = append(folders, name); return true }); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(folders, " "); got != "cam1 cam10 cam2  0" {
		t.Errorf("folders = %q", got)
	}
}
