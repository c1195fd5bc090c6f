// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"fmt"

	"github.com/s3cam/s3cam/mpegts"
)

// A segment of one picture and one ADTS frame, and what the Analyzer says of it.
func Example() {
	picture := au(1000, true, 1) // SPS, PPS and IDR slice
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	ts := m.AppendTables(nil)
	ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: [][]byte{picture}, PTS: 90000, DTS: 90000, RandomAccess: true})
	ts, err := m.AppendAudio(ts, adts(200, 0), 90000)
	if err != nil {
		fmt.Println(err)
		return
	}
	ts = m.FlushAudio(ts)

	a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
	if _, err := a.Write(ts); err != nil {
		fmt.Println(err)
		return
	}
	r := a.Report()
	fmt.Print(string(r.AppendText(nil)))
	// Output:
	// stream     10 packets, 1,880 bytes, 0.064 s, 235.0 kbit/s, overhead 55.89 %
	// program    1, PMT on PID 0x1000, PCR on PID 0x0100
	// tables     1 PAT, 1 PMT
	// clock      1 PCR, at most 0.0 ms apart, 700 to 700 ms ahead of decoding, variable rate
	// video      PID 0x0100, H.264 Baseline level 1.0, 128x96, 1 frame (1 IDR) in 1 PES, PTS 90000 to 90000
	// audio      PID 0x0101, AAC LC, 16000 Hz, mono, 1 frame in 1 PES, 0.064 s, 25.0 kbit/s, PTS 90000 to 90000
	// findings   none
}

// A ring buffer that ends in the middle of a picture: Fill writes up to the end, and goes on at the start.
func ExampleMuxer_Fill() {
	ring := make([]byte, 10*mpegts.PacketSize)
	at := 7 * mpegts.PacketSize
	m := mpegts.NewMuxer()
	m.BeginVideo(&mpegts.VideoFrame{Parts: [][]byte{au(1000, true, 1)}, RandomAccess: true})
	for m.VideoLeft() > 0 {
		n := m.Fill(ring[at:])
		fmt.Println(n/mpegts.PacketSize, "packets at", at/mpegts.PacketSize)
		if at += n; at == len(ring) {
			at = 0
		}
	}
	// Output:
	// 3 packets at 7
	// 3 packets at 0
}
