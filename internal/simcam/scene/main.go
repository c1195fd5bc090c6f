// SPDX-License-Identifier: Apache-2.0

// Command scene draws the pictures and sounds of the simulated cameras; internal/simcam/generate.sh pipes them into
// ffmpeg. It runs only when the embedded clips are made anew.
//
//	scene video front-door   raw RGBA frames on standard output
//	scene audio              raw signed 16 bit mono samples on standard output, three rounds of the loop
//	scene cut FIRST COUNT    COUNT ADTS frames of standard input, from frame FIRST on, to standard output
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/s3cam/s3cam/internal/simcam"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	err := run(out, os.Args[1:])
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "video":
		draw := scenes[args[1]]
		if draw == nil {
			return fmt.Errorf("no scene %q", args[1])
		}
		for i := range simcam.Frames {
			c := newCanvas(simcam.Width, simcam.Height)
			draw(c, float64(i)/simcam.FrameRate)
			c.stamp(i)
			if _, err := out.Write(c.pix); err != nil {
				return err
			}
		}
		return nil
	case len(args) == 1 && args[0] == "audio":
		return audio(out)
	case len(args) == 3 && args[0] == "cut":
		first, err1 := strconv.Atoi(args[1])
		count, err2 := strconv.Atoi(args[2])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		return cut(out, os.Stdin, first, count)
	}
	return errors.New("usage: scene video NAME | audio | cut FIRST COUNT")
}

// audio writes three rounds of the loop, so that a round from the middle starts and ends in the encoder's steady state:
// a soft hum and a tick on every full second, higher on the first second of the loop. Every partial has a whole number
// of periods in the loop, so the rounds join without a click.
func audio(out io.Writer) error {
	const rate = simcam.AudioRate
	samples := simcam.LoopSeconds * rate
	buf := make([]byte, 2*samples)
	for i := range samples {
		t := float64(i) / rate
		v := 0.03*math.Sin(2*math.Pi*110*t) + 0.02*math.Sin(2*math.Pi*165*t)
		if into := math.Mod(t, 1); into < 0.09 {
			pitch := 880.0
			if t < 1 {
				pitch = 1320
			}
			v += 0.5 * math.Sin(2*math.Pi*pitch*into) * math.Exp(-into*40)
		}
		binary.LittleEndian.PutUint16(buf[2*i:], uint16(int16(v*32767)))
	}
	for range 3 {
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// cut copies whole ADTS frames (ISO/IEC 13818-7 6.2: the 13 bit frame length stands in bits 30..42 of the header).
func cut(out io.Writer, in io.Reader, first, count int) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	for n := 0; n < first+count; n++ {
		if len(data) < 7 || data[0] != 0xff || data[1]&0xf6 != 0xf0 {
			return fmt.Errorf("no ADTS frame %d", n)
		}
		size := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5])>>5
		if size < 7 || size > len(data) {
			return fmt.Errorf("ADTS frame %d is cut short", n)
		}
		if n >= first {
			if _, err := out.Write(data[:size]); err != nil {
				return err
			}
		}
		data = data[size:]
	}
	return nil
}
