// SPDX-License-Identifier: Apache-2.0

package cost_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/cost"
)

func example(t testing.TB) cost.Prices {
	t.Helper()
	p, ok := cost.Example("us-east-1")
	if !ok {
		t.Fatal("no example for us-east-1")
	}
	return p
}

// recording are inputs without viewers.
func recording(bps float64, segment time.Duration) cost.Inputs {
	in := cost.DefaultInputs()
	in.BitsPerSecond, in.Segment, in.ViewingHours, in.ReplayHours = bps, segment, 0, 0
	return in
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s = %.6f, want %v within %v", what, got, want, within)
	}
}

const cent = 0.005 + 1e-9

// The table that was calculated by hand before this package was written: USD per camera and month, 7 days, 3 % overhead.
func TestRecordingCostsWhatTheTableSays(t *testing.T) {
	tests := []struct {
		name                string
		bps                 float64
		segment             time.Duration
		put, storage, total float64
	}{
		{"5 Mbit/s in 3 s", 5e6, 3 * time.Second, 4.32, 8.34, 12.66},
		{"5 Mbit/s in 6 s", 5e6, 6 * time.Second, 2.16, 8.34, 10.50},
		{"5 Mbit/s in 10 s", 5e6, 10 * time.Second, 1.296, 8.34, 9.64},
		{"2 Mbit/s in 3 s", 2e6, 3 * time.Second, 4.32, 3.34, 7.66},
		{"2 Mbit/s in 6 s", 2e6, 6 * time.Second, 2.16, 3.34, 5.50},
		{"2 Mbit/s in 10 s", 2e6, 10 * time.Second, 1.296, 3.34, 4.63},
		{"1 Mbit/s in 3 s", 1e6, 3 * time.Second, 4.32, 1.67, 5.99},
		{"1 Mbit/s in 6 s", 1e6, 6 * time.Second, 2.16, 1.67, 3.83},
		{"1 Mbit/s in 10 s", 1e6, 10 * time.Second, 1.296, 1.67, 2.96},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := cost.Monthly(recording(tt.bps, tt.segment), example(t))
			if err != nil {
				t.Fatal(err)
			}
			near(t, "PUT", e.Sum(cost.Recording, cost.PutService).Known, tt.put, cent)
			near(t, "storage", e.Sum(cost.Recording, cost.StorageService).Known, tt.storage, cent)
			near(t, "total", e.Total().Known, tt.total, cent)
			if len(e.Lines) != 2 {
				t.Errorf("lines = %+v, want PUT and storage only", e.Lines)
			}
		})
	}
}

// The figures of an hour of live, which were calculated with the DynamoDB prices before they were halved in November 2024,
// without logs and small transfers, and with a write for each segment. (A poll each 9 s writes three segments of 3 s at once.)
func TestALiveHourCostsWhatTheTableSays(t *testing.T) {
	prices := example(t)
	prices.Unit[cost.DynamoRead], prices.Unit[cost.DynamoWrite] = 0.25, 1.25
	base := cost.DefaultInputs()
	base.LivePlaylistBytes, base.LogBytes = 0, 0
	tests := []struct {
		name  string
		poll  time.Duration
		lists float64
		want  float64
	}{
		{"poll of 9 s with 3 LISTs", 9 * time.Second, 3, 0.0087},
		{"poll of 9 s with 1 LIST", 9 * time.Second, 1, 0.0047},
		{"poll of 3 s with 3 LISTs", 3 * time.Second, 3, 0.0221},
		{"poll of 3 s with cache hits and no LIST", 3 * time.Second, 0, 0.0041},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := base
			in.Poll, in.ListsPerPoll, in.WriteUnits = tt.poll, tt.lists, tt.poll.Seconds()/3
			e, err := cost.LiveHour(in, prices)
			if err != nil {
				t.Fatal(err)
			}
			egress := e.Sum("", cost.EgressService).Known
			near(t, "an hour without egress", e.Total().Known-egress, tt.want, 0.00005)
			near(t, "egress", egress, 0.19, cent)
		})
	}
	in := base
	presign, _ := cost.LiveHour(in, prices)
	in.Live, in.RedirectBytes = cost.Redirect, 0
	redirect, err := cost.LiveHour(in, prices)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "redirect adds", redirect.Total().Known-presign.Total().Known, 0.0015, 0.00005)
}

func TestTagsCostTwentyCents(t *testing.T) {
	in := recording(5e6, 3*time.Second)
	in.TagsPerSegment = 1
	e, err := cost.Monthly(in, example(t))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "one tag", e.Sum(cost.Recording, cost.TagService).Known, 0.20, cent)
}

func quantity(e cost.Estimate, purpose cost.Purpose, item cost.Item) float64 {
	for _, l := range e.Lines {
		if l.Purpose == purpose && l.Item == item {
			return l.Quantity
		}
	}
	return 0
}

func TestQuantitiesAreWhatTheProductDoes(t *testing.T) {
	type want struct {
		purpose cost.Purpose
		item    cost.Item
		n       float64
	}
	tests := []struct {
		name string
		set  func(*cost.Inputs)
		want []want
	}{
		{"a lone viewer's hour polls each target duration, reads once per poll, lists, writes and gets once per segment", func(*cost.Inputs) {}, []want{
			{cost.Live, cost.API, 1200}, {cost.Live, cost.LambdaRequest, 1200}, {cost.Live, cost.DynamoRead, 1200},
			{cost.Live, cost.DynamoWrite, 1200}, {cost.Live, cost.S3List, 1200}, {cost.Live, cost.S3Get, 1200},
			{cost.Live, cost.LambdaGBSecond, 1200 * 0.5 * 0.05},
		}},
		{"ten viewers at a time share writes, and but for a few LISTs, not reads and segments", func(in *cost.Inputs) { in.ViewingHours, in.Viewers = 10, 10 }, []want{
			{cost.Live, cost.API, 12000}, {cost.Live, cost.DynamoRead, 12000}, {cost.Live, cost.S3Get, 12000},
			{cost.Live, cost.DynamoWrite, 1200}, {cost.Live, cost.S3List, 2400},
		}},
		{"polls that come less often than segments list and write less often", func(in *cost.Inputs) { in.Poll = 9 * time.Second }, []want{
			{cost.Live, cost.API, 400}, {cost.Live, cost.S3List, 400}, {cost.Live, cost.DynamoWrite, 400},
		}},
		{"segments of 2.5 s are polled every 3 s: the target duration has whole seconds", func(in *cost.Inputs) { in.Segment = 2500 * time.Millisecond }, []want{
			{cost.Live, cost.API, 1200}, {cost.Live, cost.S3Get, 1440},
		}},
		{"live by redirect calls the API for each segment besides", func(in *cost.Inputs) { in.Live = cost.Redirect }, []want{
			{cost.Live, cost.API, 2400}, {cost.Live, cost.LambdaRequest, 2400}, {cost.Live, cost.DynamoRead, 1200},
			{cost.Live, cost.LambdaGBSecond, 1200*0.5*0.05 + 1200*1*0.005},
		}},
		{"a replayed hour by redirect: one playlist, two LIST pages, a 302 and a GET per segment", func(*cost.Inputs) {}, []want{
			{cost.Replay, cost.API, 1201}, {cost.Replay, cost.S3List, 2}, {cost.Replay, cost.S3Get, 1200}, {cost.Replay, cost.DynamoRead, 0},
		}},
		{"a replayed hour with signed URLs: one call", func(in *cost.Inputs) { in.Replay = cost.Presign }, []want{
			{cost.Replay, cost.API, 1}, {cost.Replay, cost.LambdaRequest, 1}, {cost.Replay, cost.S3Get, 1200},
		}},
		{"half the duty is half the PUTs", func(in *cost.Inputs) { in.Duty = 0.5 }, []want{{cost.Recording, cost.S3Put, 432000}}},
		{"a camera that never records costs nothing to store", func(in *cost.Inputs) { in.Duty = 0 }, []want{{cost.Recording, cost.S3Put, 0}, {cost.Recording, cost.S3Storage, 0}}},
		{"without retention a year of footage lies there after twelve months", func(in *cost.Inputs) { in.Retention = 0 }, []want{
			{cost.Recording, cost.S3Storage, 5e6 / 8 * 1.03 * 86400 * 360 / (1 << 30)},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := cost.DefaultInputs()
			in.ViewingHours, in.ReplayHours = 1, 1
			tt.set(&in)
			e, err := cost.Monthly(in, example(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tt.want {
				near(t, string(w.purpose)+" "+string(w.item), quantity(e, w.purpose, w.item), w.n, 1e-6)
			}
		})
	}
}

func TestWhatHasNoPriceIsCountedAndNamed(t *testing.T) {
	prices, ok := cost.Example("cn-north-1")
	if !ok {
		t.Fatal("no example for cn-north-1")
	}
	e, err := cost.Monthly(cost.DefaultInputs(), prices)
	if err != nil {
		t.Fatal(err)
	}
	if a := e.Sum(cost.Recording, ""); a.Unpriced || a.Empty {
		t.Errorf("recording = %+v, want priced: the manual has both prices", a)
	}
	if a := e.Sum(cost.Live, cost.EgressService); !a.Unpriced || a.Known != 0 {
		t.Errorf("egress = %+v, want unpriced", a)
	}
	if a := e.Total(); !a.Unpriced {
		t.Errorf("total = %+v, want marked as unpriced", a)
	}
	want := "s3_list_per_1000 s3_get_per_1000 egress_gib api_per_million lambda_request_per_million lambda_gb_second dynamodb_read_per_million dynamodb_write_per_million logs_gib"
	var got []string
	for _, item := range e.Missing() {
		got = append(got, string(item))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("missing = %v, want %s", got, want)
	}
}

func TestInputsOutOfBoundsAreNamedTogether(t *testing.T) {
	in := cost.DefaultInputs()
	in.BitsPerSecond, in.Duty, in.Cameras, in.Live, in.Segment, in.TSOverhead = -1, 1.5, 0, "carrier pigeon", 0, math.NaN()
	_, err := cost.Monthly(in, example(t))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"bitrate is -1", "duty is 1.5", "cameras is 0", `delivery is "carrier pigeon"`, "segment is 0s", "ts overhead is NaN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if err := cost.DefaultInputs().Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}
