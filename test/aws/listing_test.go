// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"encoding/xml"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// listResult is S3's answer to ListObjectsV2.
type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	StartAfter            string `xml:",omitempty"`
	KeyCount, MaxKeys     int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listEntry
}

type listEntry struct {
	Key, LastModified, ETag string
	Size                    int
	StorageClass            string
}

// endless answers listings below camera as S3 does when it has recorded n segments of 3 s from start on. No bucket has to hold so
// many objects for the sake of a listing, and listing them costs what it costs S3, not what it costs a laptop's disk.
func endless(camera string, start time.Time, n int) func(http.ResponseWriter, *http.Request, call) bool {
	key := func(i int) string { return segment.Key(camera, start.Add(time.Duration(i)*3*time.Second)) }
	return func(w http.ResponseWriter, _ *http.Request, c call) bool {
		if c.action != "s3:ListBucket" || c.query.Get("delimiter") != "" || !strings.HasPrefix(c.prefix, camera+"/") {
			return false
		}
		size, err := strconv.Atoi(c.query.Get("max-keys"))
		if err != nil || size > 1000 {
			size = 1000
		}
		after := max(c.query.Get("start-after"), c.query.Get("continuation-token"))
		first := sort.Search(n, func(i int) bool { return key(i) > after && key(i) >= c.prefix })
		out := listResult{Name: "bucket", Prefix: c.prefix, StartAfter: c.query.Get("start-after"), MaxKeys: size}
		for i := first; i < n && strings.HasPrefix(key(i), c.prefix); i++ {
			if len(out.Contents) == size {
				out.IsTruncated, out.NextContinuationToken = true, out.Contents[size-1].Key
				break
			}
			out.Contents = append(out.Contents, listEntry{Key: key(i), LastModified: "2026-03-01T00:00:00.000Z", ETag: `"0123456789abcdef0123456789abcdef"`, Size: 1_900_000, StorageClass: "STANDARD"})
		}
		out.KeyCount = len(out.Contents)
		w.Header().Set("Content-Type", "application/xml")
		_ = xml.NewEncoder(w).Encode(out)
		return true
	}
}
