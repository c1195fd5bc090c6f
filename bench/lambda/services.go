// SPDX-License-Identifier: Apache-2.0

package lambda

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const every = 3 * time.Second // a segment

// newS3 answers listings of any camera as S3 does when it records a segment each 3 s, and nothing else.
func newS3() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		prefix := q.Get("prefix")
		camera, rest, _ := strings.Cut(prefix, "/")
		if q.Get("list-type") != "2" || len(rest) < len("2006/01/02/") {
			http.Error(w, `<Error><Code>NoSuchKey</Code></Error>`, http.StatusNotFound)
			return
		}
		size, err := strconv.Atoi(q.Get("max-keys"))
		if err != nil || size > 1000 {
			size = 1000
		}
		// The first time that a key with the prefix can have, and the last.
		parse := func(fill string) time.Time {
			t, err := time.Parse("2006/01/02/15/04/05", rest+fill[len(rest):])
			if err != nil {
				return time.Time{}
			}
			return t
		}
		rest = strings.TrimSuffix(rest, segment.Suffix)
		from, to := parse("0000/00/00/00/00/00"), parse("0000/00/00/23/59/59")
		if _, after, ok := segment.ParseKey(max(q.Get("start-after"), q.Get("continuation-token"))); ok && !after.Before(from) {
			from = after.Add(time.Second)
		}
		if now := time.Now().Add(-every); to.After(now) {
			to = now
		}
		from = from.Add(every - 1).Truncate(every)
		var keys strings.Builder
		n, last := 0, ""
		for ; n < size && !from.After(to); from = from.Add(every) {
			last = segment.Key(camera, from)
			fmt.Fprintf(&keys, `<Contents><Key>%s</Key><LastModified>2026-03-01T00:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>1900000</Size><StorageClass>STANDARD</StorageClass></Contents>`, last)
			n++
		}
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>video</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys><IsTruncated>%v</IsTruncated>`,
			prefix, n, size, !from.After(to))
		if !from.After(to) {
			fmt.Fprintf(w, `<NextContinuationToken>%s</NextContinuationToken>`, last)
		}
		fmt.Fprint(w, keys.String(), `</ListBucketResult>`)
	}))
}

// table is a DynamoDB table that takes everything. reads counts GetItem.
type table struct {
	mu    sync.Mutex
	items map[string]json.RawMessage
	reads int
}

func newTable() (*table, *httptest.Server) {
	t := &table{items: map[string]json.RawMessage{}}
	return t, httptest.NewServer(t)
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Key, Item struct {
			ID struct{ S string } `json:"pk"`
		}
	}
	var item struct{ Item json.RawMessage }
	text := json.NewDecoder(r.Body)
	var whole json.RawMessage
	if err := text.Decode(&whole); err == nil {
		_ = json.Unmarshal(whole, &in)
		_ = json.Unmarshal(whole, &item)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	t.mu.Lock()
	defer t.mu.Unlock()
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "GetItem":
		t.reads++
		if found, ok := t.items[in.Key.ID.S]; ok {
			fmt.Fprintf(w, `{"Item":%s}`, found)
			return
		}
	case "PutItem":
		t.items[in.Item.ID.S] = item.Item
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
	fmt.Fprint(w, `{}`)
}

func (t *table) readCount() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reads
}
