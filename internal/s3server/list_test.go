// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3cam/s3cam/internal/s3server"
)

// elements are names around the slash in byte order: '!' '-' '.' < '/' < '0' 'b' 'é'.
var elements = []string{"a", "a!", "a-", "a.", "a.ts", "a0", "ab", "a b", "aé", "b", "b-", "0", "00", "~", "A", "a-b.c", ".a", "é"}

// randomKeys makes up to n keys of up to four elements, none of which is a folder of another.
func randomKeys(r *rand.Rand, n int) []string {
	keys := map[string]bool{}
	folders := map[string]bool{}
	for range n {
		depth := 1 + r.IntN(4)
		elems := make([]string, depth)
		for i := range elems {
			elems[i] = elements[r.IntN(len(elements))]
		}
		key := strings.Join(elems, "/")
		ok := !folders[key]
		for p := path.Dir(key); p != "."; p = path.Dir(p) {
			ok = ok && !keys[p]
		}
		if !ok {
			continue
		}
		keys[key] = true
		for p := path.Dir(key); p != "."; p = path.Dir(p) {
			folders[p] = true
		}
	}
	return slices.Sorted(maps(keys))
}

func maps(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// model answers a listing as the S3 documentation says: keys and common prefixes in one order, start-after exclusive.
func model(keys []string, prefix, delimiter, after string) (items []string) {
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		item := k
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			item = prefix + rest[:i+len(delimiter)]
		}
		if item <= after || len(items) > 0 && items[len(items)-1] == item {
			continue
		}
		items = append(items, item)
	}
	return items
}

// pick returns something near the keys: a key, a piece of one, a folder, or a made-up neighbour.
func pick(r *rand.Rand, keys []string) string {
	k := keys[r.IntN(len(keys))]
	switch r.IntN(6) {
	case 0:
		return ""
	case 1:
		return k
	case 2:
		return k[:r.IntN(len(k)+1)]
	case 3:
		return k[:strings.LastIndex(k, "/")+1]
	case 4:
		return k + "0"
	default:
		return elements[r.IntN(len(elements))] + "/" + elements[r.IntN(len(elements))]
	}
}

func TestListingsEqualTheModel(t *testing.T) {
	tg := newTarget(t)
	r := rand.New(rand.NewPCG(1, 2))
	keys := randomKeys(r, 160)
	for _, k := range keys {
		tg.put(t, k, "x")
	}
	cases := 400
	if testing.Short() || tg.embedded == nil {
		cases = 100
	}
	for range cases {
		prefix, after, delimiter := pick(r, keys), "", ""
		if r.IntN(2) == 0 {
			after = pick(r, keys)
		}
		switch r.IntN(4) {
		case 0, 1:
			delimiter = "/"
		case 2:
			delimiter = []string{"-", ".", "a", "/a"}[r.IntN(4)]
		}
		maxKeys := []int32{1, 2, 3, 7, 50, 1000}[r.IntN(6)]
		name := fmt.Sprintf("prefix %q start-after %q delimiter %q max-keys %d", prefix, after, delimiter, maxKeys)
		want := model(keys, prefix, delimiter, after)
		got := tg.listV2(t, name, prefix, after, delimiter, maxKeys)
		if !slices.Equal(got, want) {
			t.Fatalf("%s:\n got %q\nwant %q", name, got, want)
		}
		if delimiter == "" && tg.embedded != nil {
			if got := inProcess(t, tg.embedded.Bucket, prefix, after); !slices.Equal(got, want) {
				t.Fatalf("in process, %s:\n got %q\nwant %q", name, got, want)
			}
			var got []string
			err := tg.embedded.ListKeys(t.Context(), prefix, after, func(k []byte) bool { got = append(got, string(k)); return true })
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("keys in process, %s:\n got %q, %v\nwant %q", name, got, err, want)
			}
		}
		if delimiter == "/" && after == "" && tg.embedded != nil {
			var wantFolders, gotFolders []string
			for _, item := range want {
				if strings.HasSuffix(item, "/") {
					wantFolders = append(wantFolders, strings.TrimSuffix(item[len(prefix):], "/"))
				}
			}
			err := tg.embedded.ListFolders(t.Context(), prefix, func(n string) bool { gotFolders = append(gotFolders, n); return true })
			if err != nil || !slices.Equal(gotFolders, wantFolders) {
				t.Fatalf("folders of %q: %q, %v, want %q", prefix, gotFolders, err, wantFolders)
			}
		}
	}
}

// listV2 follows continuation tokens and checks each page: no more than max-keys, key-count right, truncated only with a token.
func (t *target) listV2(tb testing.TB, name, prefix, after, delimiter string, maxKeys int32) []string {
	tb.Helper()
	in := &s3.ListObjectsV2Input{Bucket: &t.bucket, Prefix: aws.String(t.prefix + prefix), MaxKeys: &maxKeys}
	if after != "" {
		in.StartAfter = aws.String(t.prefix + after)
	}
	if delimiter != "" {
		in.Delimiter = &delimiter
	}
	var items []string
	for range 1000 {
		out, err := t.sdk.ListObjectsV2(context.Background(), in)
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		if n := len(out.Contents) + len(out.CommonPrefixes); n > int(maxKeys) || int(*out.KeyCount) != n {
			tb.Fatalf("%s: a page of %d, key count %d", name, n, *out.KeyCount)
		}
		var page []string
		for _, o := range out.Contents {
			page = append(page, strings.TrimPrefix(*o.Key, t.prefix))
		}
		for _, p := range out.CommonPrefixes {
			page = append(page, strings.TrimPrefix(*p.Prefix, t.prefix))
		}
		slices.Sort(page)
		items = append(items, page...)
		if !*out.IsTruncated {
			return items
		}
		if aws.ToString(out.NextContinuationToken) == "" || len(page) == 0 {
			tb.Fatalf("%s: truncated without a token", name)
		}
		in.ContinuationToken = out.NextContinuationToken
	}
	tb.Fatalf("%s: no end", name)
	return nil
}

func inProcess(tb testing.TB, b *s3server.Bucket, prefix, after string) []string {
	tb.Helper()
	var keys []string
	err := b.List(context.Background(), prefix, after, 0, func(k []byte, size int64) bool {
		keys = append(keys, string(k))
		return true
	})
	if err != nil {
		tb.Fatalf("in process: %v", err)
	}
	return keys
}

func TestInProcessListing(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	b := tg.embedded.Bucket
	for i := range 5 {
		tg.put(t, fmt.Sprintf("cam1/2026/01/02/03/04/%02d.ts", i*3), strings.Repeat("x", 100+i))
	}
	tg.put(t, "cam2/2026/01/02/03/04/05.ts", "x")
	dir := b.Dir()
	mkdir := func(p string) {
		if err := os.MkdirAll(filepath.Join(dir, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(p string) {
		if err := os.WriteFile(filepath.Join(dir, p), []byte("stray"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// What a crash, an operator or versitygw may leave: none of it is an object.
	mkdir("cam3/2026/01")
	mkdir(".sgwtmp/multipart/abc")
	write(".sgwtmp/abc.123")
	write("cam1/2026/01/02/03/04/.03.ts.sgwtmp.1700000000")
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "cam1/link.ts")); err != nil {
		t.Fatal(err)
	}

	t.Run("sizes are reported", func(t *testing.T) {
		var sizes []int64
		err := b.List(t.Context(), "cam1/", "", 0, func(_ []byte, size int64) bool { sizes = append(sizes, size); return true })
		if err != nil || !slices.Equal(sizes, []int64{100, 101, 102, 103, 104}) {
			t.Errorf("%v, %v", sizes, err)
		}
	})
	t.Run("yield ends it", func(t *testing.T) {
		n := 0
		err := b.List(t.Context(), "", "", 0, func([]byte, int64) bool { n++; return n < 3 })
		if err != nil || n != 3 {
			t.Errorf("%d calls, %v", n, err)
		}
		n = 0
		if err := b.ListFolders(t.Context(), "", func(string) bool { n++; return false }); err != nil || n != 1 {
			t.Errorf("folders: %d calls, %v", n, err)
		}
	})
	t.Run("start-after is exclusive", func(t *testing.T) {
		got := inProcess(t, b, "cam1/", "cam1/2026/01/02/03/04/06.ts")
		if want := []string{"cam1/2026/01/02/03/04/09.ts", "cam1/2026/01/02/03/04/12.ts"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
	t.Run("strays are hidden", func(t *testing.T) {
		if got := inProcess(t, b, "", ""); len(got) != 6 {
			t.Errorf("%q, want 6 objects", got)
		}
		if got := tg.listV2(t, "all", "", "", "", 1000); !slices.Equal(got, inProcess(t, b, "", "")) {
			t.Errorf("over HTTP: %q", got)
		}
	})
	t.Run("empty folders are hidden", func(t *testing.T) {
		var got []string
		err := b.ListFolders(t.Context(), "", func(n string) bool { got = append(got, n); return true })
		if err != nil || !slices.Equal(got, []string{"cam1", "cam2"}) {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("prefixes that no key has", func(t *testing.T) {
		for _, p := range []string{"..", "../", "cam1/../", "/", "//", "cam1//", "./", "nope/", "cam1/2026/01/02/03/04/00.ts/", ".sgwtmp/", "\x00/"} {
			if got := inProcess(t, b, p, ""); len(got) != 0 {
				t.Errorf("prefix %q: %q", p, got)
			}
			if err := b.ListFolders(t.Context(), p, func(n string) bool { t.Errorf("prefix %q: folder %q", p, n); return true }); err != nil {
				t.Errorf("prefix %q: %v", p, err)
			}
		}
	})
	t.Run("a done context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.List(ctx, "", "", 0, func([]byte, int64) bool { return true }); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestInProcessReading(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	b, ctx := tg.embedded.Bucket, t.Context()
	tg.put(t, segmentKey, "0123456789")
	for _, tt := range []struct {
		offset, n int64
		want      string
		bad       bool
	}{
		{0, 4, "0123", false}, {3, 4, "3456", false}, {8, 4, "89", false}, {10, 4, "", false}, {1000, 4, "", false}, {0, 0, "", false},
		{-1, 4, "", true}, {0, -1, "", true}, {0, s3server.MaxReadRange + 1, "", true},
	} {
		got, err := b.ReadRange(ctx, segmentKey, tt.offset, tt.n)
		if string(got) != tt.want || (err != nil) != tt.bad {
			t.Errorf("ReadRange(%d, %d) = %q, %v, want %q", tt.offset, tt.n, got, err, tt.want)
		}
	}
	f, err := b.Open(ctx, segmentKey)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() != 10 || time.Since(st.ModTime()) > time.Minute {
		t.Errorf("stat %v, %v", st, err)
	}
	tg.put(t, segmentKey, "overwritten!")
	buf := make([]byte, 20)
	if n, _ := f.ReadAt(buf, 0); string(buf[:n]) != "0123456789" {
		t.Errorf("an open object changed to %q", buf[:n])
	}
	for _, key := range []string{"none", "cam1", "cam1/2026", segmentKey + "/x", ""} {
		if _, err := b.Open(ctx, key); !errors.Is(err, s3server.ErrNotFound) || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Open(%q): %v, want ErrNotFound", key, err)
		}
		if _, err := b.ReadRange(ctx, key, 0, 1); !errors.Is(err, s3server.ErrNotFound) {
			t.Errorf("ReadRange(%q): %v, want ErrNotFound", key, err)
		}
	}
	_, err = tg.sdk.GetObject(ctx, &s3.GetObjectInput{Bucket: &tg.bucket, Key: aws.String("cam1/2026")})
	var missing *types.NoSuchKey
	if !errors.As(err, &missing) {
		t.Errorf("get a folder: %v, want NoSuchKey", err)
	}
}
