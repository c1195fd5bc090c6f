// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"

	"github.com/s3cam/s3cam/internal/simcam"
)

// scenes draw the picture at second t of the loop. What moves is back where it began after one loop.
var scenes = map[string]func(c *canvas, t float64){"front-door": frontDoor, "workshop": workshop}

// caption writes the camera's name and the human-readable counter.
func caption(c *canvas, name string, t float64) {
	c.rect(0, simcam.Height-40, simcam.Width, 40, colour{20, 22, 26})
	c.text(12, simcam.Height-31, 3, name, white)
	c.text(simcam.Width-222, simcam.Height-31, 3, fmt.Sprintf("%05.2f", t), colour{120, 220, 140})
	c.text(simcam.Width-102, simcam.Height-31, 3, fmt.Sprintf("F%03d", int(t*simcam.FrameRate+0.5)), colour{250, 210, 90})
}

func frontDoor(c *canvas, t float64) {
	c.rect(0, 0, simcam.Width, 230, colour{150, 190, 225})
	c.rect(0, 230, simcam.Width, 130, colour{110, 130, 90})
	// The sun crosses the sky once per loop and hides below the meadow at the seam.
	phase := t / simcam.LoopSeconds
	c.disc(40+560*phase, 250-190*math.Sin(math.Pi*phase), 22, colour{255, 222, 110})
	c.rect(0, 230, simcam.Width, 90, colour{110, 140, 90})
	// House and door.
	c.rect(60, 70, 200, 220, colour{196, 120, 90})
	c.rect(120, 150, 76, 140, colour{74, 50, 40})
	c.disc(184, 222, 5, colour{230, 200, 90})
	c.rect(205, 105, 42, 42, colour{214, 232, 240})
	c.rect(225, 105, 2, 42, colour{74, 50, 40})
	c.rect(0, 285, simcam.Width, 35, colour{170, 165, 155})
	// A visitor walks by, to the right and back.
	x := 380 + 220*math.Cos(2*math.Pi*phase)
	step := 9 * math.Sin(2*math.Pi*1.5*t)
	c.line(x, 262, x-step, 300, 7, colour{40, 50, 90})
	c.line(x, 262, x+step, 300, 7, colour{40, 50, 90})
	c.line(x, 228, x, 260, 20, colour{190, 60, 60})
	c.disc(x, 206, 12, colour{235, 195, 165})
	c.clock(540, 90, 56, t)
	caption(c, "FRONT DOOR", t)
}

func workshop(c *canvas, t float64) {
	c.rect(0, 0, simcam.Width, simcam.Height, colour{58, 64, 72})
	c.rect(0, 250, simcam.Width, 70, colour{40, 44, 50})
	for x := 0.0; x < simcam.Width; x += 80 {
		c.rect(x, 20, 40, 6, colour{240, 236, 200})
	}
	// A belt carries boxes: 40 pixels a second is a whole number of box distances per loop.
	c.rect(0, 238, simcam.Width, 14, colour{90, 94, 100})
	for k := -1; k < 5; k++ {
		x := float64(k)*160 + math.Mod(40*t, 160)
		c.rect(x, 192, 58, 46, colour{176, 134, 84})
		c.rect(x+25, 192, 8, 46, colour{206, 168, 112})
	}
	// A robot arm swings in time with the boxes, a wheel turns.
	a := 0.7 * math.Sin(2*math.Pi*t/4)
	ex, ey := 190+92*math.Sin(a), 70+70*math.Cos(a)
	c.line(190, 48, 190, 70, 26, colour{210, 170, 50})
	c.line(190, 70, ex, ey, 14, colour{230, 190, 60})
	c.line(ex, ey, ex, ey+26, 8, colour{120, 124, 130})
	c.disc(190, 70, 12, colour{90, 80, 40})
	for i := range 4 {
		r := 2*math.Pi*t/10 + float64(i)*math.Pi/4
		c.line(400-46*math.Cos(r), 110-46*math.Sin(r), 400+46*math.Cos(r), 110+46*math.Sin(r), 8, colour{140, 150, 160})
	}
	c.disc(400, 110, 34, colour{110, 120, 130})
	c.disc(400, 110, 12, colour{58, 64, 72})
	c.clock(550, 100, 56, t)
	caption(c, "WORKSHOP", t)
}
