// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestListPageAgainstTheSDK defends the goal for a page of 1000 keys: at most 1/25 of the SDK's time, transport excluded.
// Both run in turns and the fastest round counts, so other load does not matter, nor the SDK's garbage collection.
func TestListPageAgainstTheSDK(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a measurement; not with -short or the race detector")
	}
	if strconv.IntSize == 32 {
		t.Skip("the goal is for 64-bit servers; 386 reaches 19")
	}
	const goal, rounds = 25, 15
	doc := listDocument(1000)
	ctx := context.Background()
	ours := benchClient(t, func(cfg *Config) { cfg.Transport = stub{doc} })
	theirs := sdkClient(stub{doc}, func(*sdk.Options) {})
	mine, other := time.Hour, time.Hour
	for range rounds {
		start := time.Now()
		out, err := theirs.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: aws.String(benchBucket), Prefix: aws.String("cam1/")})
		other = min(other, time.Since(start))
		if err != nil || len(out.Contents) != 1000 {
			t.Fatal(err)
		}
		start = time.Now()
		n := 0
		err = ours.List(ctx, "cam1/", "", 0, func([]byte, int64) bool { n++; return true })
		mine = min(mine, time.Since(start))
		if err != nil || n != 1000 {
			t.Fatal(n, err)
		}
	}
	ratio := float64(other) / float64(mine)
	t.Logf("page of %d bytes: %v, the SDK %v, ratio %.0f", len(doc), mine, other, ratio)
	if ratio < goal {
		t.Errorf("only %.1f times as fast as the SDK, want %d", ratio, goal)
	}
}
