// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"

	"github.com/s3cam/s3cam/internal/simcam"
)

type colour [3]byte

var (
	white = colour{255, 255, 255}
	black = colour{0, 0, 0}
)

// canvas is an RGBA picture with the few shapes that the scenes need. Edges are smoothed over one pixel, which the
// encoder likes better than stairs.
type canvas struct {
	w, h int
	pix  []byte
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: w, h: h, pix: make([]byte, w*h*4)}
	for i := 3; i < len(c.pix); i += 4 {
		c.pix[i] = 255
	}
	return c
}

func (c *canvas) blend(x, y int, col colour, a float64) {
	if x < 0 || y < 0 || x >= c.w || y >= c.h || a <= 0 {
		return
	}
	p := c.pix[(y*c.w+x)*4:]
	for i, v := range col {
		p[i] = byte(float64(p[i])*(1-min(a, 1)) + float64(v)*min(a, 1) + 0.5)
	}
}

// fill paints every pixel of the box whose distance function is below zero.
func (c *canvas) fill(x0, y0, x1, y1 float64, col colour, distance func(x, y float64) float64) {
	for y := int(math.Floor(y0)) - 1; y <= int(y1)+1; y++ {
		for x := int(math.Floor(x0)) - 1; x <= int(x1)+1; x++ {
			c.blend(x, y, col, 0.5-distance(float64(x)+0.5, float64(y)+0.5))
		}
	}
}

func (c *canvas) rect(x, y, w, h float64, col colour) {
	c.fill(x, y, x+w, y+h, col, func(px, py float64) float64 {
		return max(x-px, px-x-w, y-py, py-y-h)
	})
}

func (c *canvas) disc(x, y, r float64, col colour) {
	c.fill(x-r, y-r, x+r, y+r, col, func(px, py float64) float64 { return math.Hypot(px-x, py-y) - r })
}

func (c *canvas) line(x0, y0, x1, y1, width float64, col colour) {
	dx, dy := x1-x0, y1-y0
	c.fill(min(x0, x1)-width, min(y0, y1)-width, max(x0, x1)+width, max(y0, y1)+width, col, func(px, py float64) float64 {
		t := max(0, min(1, ((px-x0)*dx+(py-y0)*dy)/(dx*dx+dy*dy)))
		return math.Hypot(px-x0-t*dx, py-y0-t*dy) - width/2
	})
}

// clock draws a face whose hand goes round once per loop.
func (c *canvas) clock(x, y, r, t float64) {
	c.disc(x, y, r, colour{60, 60, 66})
	c.disc(x, y, r-3, colour{244, 244, 238})
	for i := range simcam.LoopSeconds {
		a := 2 * math.Pi * float64(i) / simcam.LoopSeconds
		inner := r - 9
		if i%5 == 0 {
			inner = r - 14
		}
		c.line(x+inner*math.Sin(a), y-inner*math.Cos(a), x+(r-6)*math.Sin(a), y-(r-6)*math.Cos(a), 2, colour{60, 60, 66})
	}
	a := 2 * math.Pi * t / simcam.LoopSeconds
	c.line(x-8*math.Sin(a), y+8*math.Cos(a), x+(r-12)*math.Sin(a), y-(r-12)*math.Cos(a), 3, colour{200, 40, 30})
	c.disc(x, y, 4, colour{200, 40, 30})
}

// stamp writes the machine-readable row (see package simcam) over the picture.
func (c *canvas) stamp(index int) {
	for block, on := range simcam.Blocks(index) {
		col := black
		if on {
			col = white
		}
		for y := range simcam.BlockPixels {
			for x := range simcam.BlockPixels {
				c.blend(block*simcam.BlockPixels+x, y, col, 1)
			}
		}
	}
}

// text draws capital letters and digits, scale pixels per dot.
func (c *canvas) text(x, y, scale int, s string, col colour) {
	for _, r := range s {
		glyph, ok := glyphs[r]
		if !ok {
			x += 4 * scale
			continue
		}
		for row, bits := range glyph {
			for dot := range 5 {
				if bits>>(4-dot)&1 == 0 {
					continue
				}
				for dy := range scale {
					for dx := range scale {
						c.blend(x+dot*scale+dx, y+row*scale+dy, col, 1)
					}
				}
			}
		}
		x += 6 * scale
	}
}

// glyphs are 5x7 dots, one row per byte.
var glyphs = map[rune][7]byte{
	'0': {14, 17, 19, 21, 25, 17, 14}, '1': {4, 12, 4, 4, 4, 4, 14}, '2': {14, 17, 1, 2, 4, 8, 31},
	'3': {31, 2, 4, 2, 1, 17, 14}, '4': {2, 6, 10, 18, 31, 2, 2}, '5': {31, 16, 30, 1, 1, 17, 14},
	'6': {6, 8, 16, 30, 17, 17, 14}, '7': {31, 1, 2, 4, 8, 8, 8}, '8': {14, 17, 17, 14, 17, 17, 14},
	'9': {14, 17, 17, 15, 1, 2, 12}, '.': {0, 0, 0, 0, 0, 12, 12},
	'A': {14, 17, 17, 31, 17, 17, 17}, 'D': {30, 17, 17, 17, 17, 17, 30}, 'E': {31, 16, 16, 30, 16, 16, 31},
	'F': {31, 16, 16, 30, 16, 16, 16}, 'H': {17, 17, 17, 31, 17, 17, 17}, 'K': {17, 18, 20, 24, 20, 18, 17},
	'M': {17, 27, 21, 21, 17, 17, 17}, 'N': {17, 25, 21, 19, 17, 17, 17}, 'O': {14, 17, 17, 17, 17, 17, 14},
	'P': {30, 17, 17, 30, 16, 16, 16}, 'R': {30, 17, 17, 30, 20, 18, 17}, 'S': {15, 16, 16, 14, 1, 1, 30},
	'T': {31, 4, 4, 4, 4, 4, 4}, 'W': {17, 17, 17, 21, 21, 27, 17},
}
