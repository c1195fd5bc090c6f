// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/cost"
)

func TestCostTellsTheMonthOfACamera(t *testing.T) {
	o := call(t, nil, nil, "cost")
	o.want(t, 0, "USD per month of 30 days, prices of us-east-1", "EXAMPLE: remembered list prices", "1 camera, each 5 Mbit/s in segments of 3s",
		"S3 PUT                   4.32                                   4.32\n", "S3 storage               8.34                                   8.34\n",
		"Total                   12.66", "segments of 6s [setting]", "Assumed, not measured on AWS")
	if strings.Contains(o.out, "All cameras") || strings.Contains(o.out, "?") {
		t.Errorf("one camera with all prices says\n%s", o.out)
	}
	call(t, nil, nil, "cost", "--bitrate", "1M", "--segment", "10", "--cameras", "100", "--viewing-hours", "0", "--replay-hours", "0").
		want(t, 0, "100 cameras, each 1 Mbit/s in segments of 10s", "Total                    2.96                                   2.96\n", "All cameras                                                   296.40\n")
	call(t, nil, nil, "cost", "--retention", "0", "--month", "3").want(t, 0, "kept for ever: the end of month 3", "Without retention it grows by 35.74 each month", "keep 30 days [setting]")
	call(t, nil, nil, "cost", "--delivery", "redirect", "--tags-per-segment", "1").want(t, 0, "S3 object tags           0.20", "live with signed URLs in the playlist", "no object tags")
	call(t, nil, nil, "cost", "--region-like", "cn-north-1").want(t, 0, "CNY per month", "Egress                                   ?", "? has no price: s3_list_per_1000")
}

func TestCostAsJSON(t *testing.T) {
	o := call(t, nil, nil, "cost", "--json", "--cameras", "3", "--viewers", "2")
	o.want(t, 0)
	var r struct {
		Currency string
		Inputs   map[string]any
		Lines    []struct {
			Purpose, Service, Item string
			Quantity, Cost         float64
			Priced                 bool
		}
		Camera     struct{ Known float64 }
		AllCameras struct{ Known float64 } `json:"all_cameras"`
		Missing    []string                `json:"unpriced_items"`
		Levers     []struct {
			Name, State string
			Saves       struct{ Known float64 }
		}
	}
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatalf("%v in\n%s", err, o.out)
	}
	sum := 0.0
	for _, l := range r.Lines {
		sum += l.Cost
		if !l.Priced || l.Quantity <= 0 {
			t.Errorf("line %+v", l)
		}
	}
	if math.Abs(sum-r.Camera.Known) > 1e-9 || math.Abs(3*sum-r.AllCameras.Known) > 1e-9 || sum < 12.66 {
		t.Errorf("lines sum up to %v, a camera is %v, all are %v", sum, r.Camera.Known, r.AllCameras.Known)
	}
	if r.Currency != "USD" || r.Missing == nil || len(r.Levers) < 8 || r.Inputs["segment_seconds"] != 3.0 {
		t.Errorf("report %+v", r)
	}
}

func TestCostRepeatsTheManual(t *testing.T) {
	call(t, nil, nil, "cost", "--manual").want(t, 0, " 3.50 CNY", " 1.73 CNY", "/ 30 is spurious", "51.83 CNY", "0.625 MB/s", "55.50 CNY", "352.04 GiB", "61.78 CNY", "63.64 CNY", "65.28 CNY", "67.14 CNY")
	o := call(t, nil, nil, "cost", "--manual", "--json")
	var steps []struct {
		What string
		Slip string
	}
	if err := json.Unmarshal([]byte(o.out), &steps); err != nil || len(steps) != 9 {
		t.Errorf("%v, %d steps", err, len(steps))
	}
}

func TestCostWithAPriceFile(t *testing.T) {
	o := call(t, nil, nil, "cost", "--print-prices")
	o.want(t, 0, `"s3_put_per_1000": 0.005`, `"source": "EXAMPLE`)
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := write("own.json", strings.NewReplacer("us-east-1", "eu-central-1", `"s3_put_per_1000": 0.005`, `"s3_put_per_1000": 0.0054`).Replace(o.out))
	call(t, nil, nil, "cost", "--prices", own).want(t, 0, "prices of eu-central-1", "S3 PUT                   4.67")
	again := call(t, nil, nil, "cost", "--prices", own, "--print-prices")
	if text, err := os.ReadFile(own); err != nil || again.out != string(text) {
		t.Errorf("printed again:\n%s\n%v", again.out, err)
	}

	wrong := write("wrong.json", strings.ReplaceAll(o.out, `"s3_put_per_1000": 0.005`, `"s3_put_per_1000": -1`))
	call(t, nil, nil, "cost", "--prices", wrong).want(t, 1, wrong, "s3_put_per_1000 is negative", "hint: `s3cam cost --print-prices`")
	call(t, nil, nil, "cost", "--prices", filepath.Join(dir, "none")).want(t, 1, "--prices", "no such file")
	call(t, nil, nil, "cost", "--prices", own, "--currency", "EUR").want(t, 2, "the prices are in USD", "hint:")
}

func TestCostRefusesWhatMakesNoSense(t *testing.T) {
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"a bitrate in words", []string{"--bitrate", "fast"}, []string{"--bitrate", `"fast" is no bitrate`}},
		{"a bitrate of a modem", []string{"--bitrate", "300"}, []string{"bitrate is 300"}},
		{"a retention without a unit", []string{"--retention", "7"}, []string{"--retention", "write 7d"}},
		{"a retention that is not a number", []string{"--retention", "NaNd"}, []string{"--retention"}},
		{"several at once", []string{"--duty", "2", "--cameras", "0", "--segment", "90s"}, []string{"duty is 2", "cameras is 0", "segment is 1m30s"}},
		{"a delivery of another program", []string{"--delivery", "direct"}, []string{"--delivery", "direct"}},
		{"a region without an example", []string{"--region-like", "mars"}, []string{"--region-like"}},
		{"times that never end", []string{"--lambda-ms", "+Inf"}, []string{"time of a live poll"}},
		{"times that are none", []string{"--lambda-ms", "NaN"}, []string{"time of a live poll"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call(t, nil, nil, append([]string{"cost"}, tt.args...)...).want(t, 2, tt.says...)
		})
	}
}

// docs/ref/cli.md lists what a price file has.
func TestPriceItemsAreInTheReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("| name | one price buys |\n|---|---|\n")
	for _, item := range cost.Items() {
		b.WriteString("| `" + string(item) + "` | " + item.Meaning() + " |\n")
	}
	block(t, "cli.md", "price items", b.String())
}
