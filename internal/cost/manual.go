// SPDX-License-Identifier: Apache-2.0

package cost

// Step is one calculation about the example of the deployment manual.
type Step struct {
	What       string  `json:"what"`       // in words
	Expression string  `json:"expression"` // as it is calculated
	Value      float64 `json:"value"`
	Unit       string  `json:"unit"`           // CNY (per month) or GiB
	Slip       string  `json:"slip,omitempty"` // what is wrong with it; empty when it is right
}

// Manual repeats the cost example of the deployment manual of 2021 (one camera of 5 Mbit/s, 3 s segments, 7 days, prices
// of Beijing in CNY), names its slips and calculates it again.
func Manual() []Step {
	const (
		put, storage = 0.00000405, 0.1755 // CNY per PUT, CNY per GB and month
		week         = 7 * 86400.0
		segmentsHour = 3600 / 3.0
		bytesSecond  = 5e6 / 8
	)
	puts := segmentsHour * 24 * 30 * put
	written := 0.5 * 3600 * 24 * 7 * storage / 30 / 1024
	meant := 0.5 * 3600 * 24 * 7 * storage / 1024
	right := bytesSecond * week / gib * storage
	overhead := right * 1.03
	return []Step{
		{"requests, as in the manual", "1200 x 24 x 30 x 0.00000405", puts, "CNY", ""},
		{"storage, as the formula stands there", "0.5 x 3600 x 24 x 7 x 0.1755 / 30 / 1024", written, "CNY",
			"the / 30 is spurious: 0.1755 is already a price per month, and the 7 days are there all month"},
		{"storage, as the result 52 stands there", "0.5 x 3600 x 24 x 7 x 0.1755 / 1024", meant, "CNY",
			"0.5 MB/s are 4 Mbit/s; 5 Mbit/s are 0.625 MB/s. And MB of 10^6 bytes are divided by 1024"},
		{"total, as in the manual", "3.5 + 52", 55.5, "CNY", "follows from the storage"},
		{"what 5 Mbit/s fill in 7 days", "5000000 / 8 x 7 x 86400 / 2^30", bytesSecond * week / gib, "GiB", ""},
		{"storage, corrected", "5000000 / 8 x 7 x 86400 / 2^30 x 0.1755", right, "CNY", ""},
		{"storage, with 3 % of MPEG-TS", "the same x 1.03", overhead, "CNY", ""},
		{"total, corrected", "requests + storage, corrected", puts + right, "CNY", ""},
		{"total, with 3 % of MPEG-TS", "requests + storage, with 3 %", puts + overhead, "CNY", ""},
	}
}

// ManualInputs are the inputs of that example: nothing is watched in it.
func ManualInputs() Inputs {
	in := DefaultInputs()
	in.TSOverhead, in.ViewingHours, in.ReplayHours = 0, 0, 0
	return in
}
