// SPDX-License-Identifier: Apache-2.0

package mpegts

// Report is what an Analyzer found. Its JSON form is stable: fields may be added.
type Report struct {
	Bytes            int64 `json:"bytes"`
	Packets          int64 `json:"packets"`
	NullPackets      int64 `json:"null_packets"`
	DuplicatePackets int64 `json:"duplicate_packets"` // allowed once each (§2.4.3.3)
	SkippedBytes     int64 `json:"skipped_bytes"`     // not part of a whole packet

	Program int `json:"program"` // program_number; -1 without PAT
	PMTPID  int `json:"pmt_pid"` // -1 without PAT
	PCRPID  int `json:"pcr_pid"` // -1 without PMT

	PATs               int64   `json:"pats"`
	PMTs               int64   `json:"pmts"`
	TableIntervalMaxMS float64 `json:"table_interval_max_ms"` // longest time between two PATs by PCR; 0 when there is only one

	// DurationS is that of the video, or of the audio without video: last less first PTS, and one frame more.
	DurationS float64 `json:"duration_s"`
	// BitsPerSecond counts every byte of the input.
	BitsPerSecond int64 `json:"bits_per_second"`
	// OverheadPercent is what packets, tables, PES headers and stuffing add to the elementary streams. AUDs count as part of these.
	OverheadPercent float64 `json:"overhead_percent"`

	PCRs             int64   `json:"pcrs"`
	PCRIntervalMaxMS float64 `json:"pcr_interval_max_ms"`
	// PCRLeadMinMS and PCRLeadMaxMS are how long before its decoding time a PES packet begins to come, by the last PCR before its first byte.
	PCRLeadMinMS float64 `json:"pcr_lead_min_ms"`
	PCRLeadMaxMS float64 `json:"pcr_lead_max_ms"`
	// ConstantRate says that the bytes between PCRs are proportional to their difference, within 5 % over at least 10 intervals. Only then
	// the byte position says what a PCR should be, and PCRJitterMaxUS is its largest deviation, in microseconds, from the line
	// through the two PCRs before it. In a stream of variable rate, such as the Muxer's, it is 0 and not judged.
	ConstantRate   bool    `json:"constant_rate"`
	PCRJitterMaxUS float64 `json:"pcr_jitter_max_us"`

	Streams []StreamReport `json:"streams"`

	Errors   int64          `json:"errors"`
	Warnings int64          `json:"warnings"`
	Infos    int64          `json:"infos"`
	Findings []Finding      `json:"findings"`          // in the order in which they were made, of each code the first few
	Omitted  map[Code]int64 `json:"omitted,omitempty"` // how many more of a code there were
}

// StreamReport describes one stream of the program.
type StreamReport struct {
	PID        int    `json:"pid"`
	Kind       Kind   `json:"kind"` // "video", "audio" or "other"
	StreamType int    `json:"stream_type"`
	Codec      string `json:"codec"`
	Profile    string `json:"profile,omitempty"`
	Level      string `json:"level,omitempty"`

	Width       int     `json:"width,omitempty"`
	Height      int     `json:"height,omitempty"`
	FPS         float64 `json:"fps,omitempty"`          // measured: pictures by decoding time
	DeclaredFPS float64 `json:"declared_fps,omitempty"` // by the sequence parameter set
	SampleRate  int     `json:"sample_rate,omitempty"`  // of the ADTS headers; HE-AAC plays at twice that
	Channels    int     `json:"channels,omitempty"`

	Packets    int64 `json:"packets"`
	PESPackets int64 `json:"pes_packets"`
	Bytes      int64 `json:"bytes"`  // of the elementary stream
	Frames     int64 `json:"frames"` // pictures, or ADTS frames
	IDRs       int64 `json:"idrs,omitempty"`

	FirstPTS      int64   `json:"first_pts"` // smallest and largest, 90 kHz, 33 bits; -1 without any
	LastPTS       int64   `json:"last_pts"`
	FirstDTS      int64   `json:"first_dts"`
	DurationS     float64 `json:"duration_s"`
	BitsPerSecond int64   `json:"bits_per_second"`
}
