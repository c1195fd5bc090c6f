// SPDX-License-Identifier: Apache-2.0

/** Draws a timeline on a canvas. Everything it needs comes in; it keeps nothing. */

import type { Range } from '../decode';
import { spanOf, type Scale, type Tick, xOf } from './scale';

/** How busy a stretch was, in bytes per second, in steps of equal length (ms) from start on. NaN: not known. */
export interface Activity {
  start: number;
  step: number;
  values: Float32Array<ArrayBuffer>;
}

/** Colours, from the page's style sheet. */
export interface Palette {
  track: string;
  recorded: string;
  activity: string;
  unknown: string;
  text: string;
  line: string;
  now: string;
  head: string;
  mark: string;
}

/** One camera's row. */
export interface Row {
  /** written into the row when there are several */
  name: string;
  ranges: readonly Range[];
  /** stretches about which nothing is known yet */
  unknown: readonly { start: number; end: number }[];
  activity: readonly Activity[];
  /** the rates drawn with no height and with the whole one */
  rates: { low: number; high: number };
}

export interface Picture {
  scale: Scale;
  rows: readonly Row[];
  ticks: readonly Tick[];
  now: number;
  playhead: number | undefined;
  hover: number | undefined;
  marks: { from: number | undefined; to: number | undefined };
}

/** Heights in CSS pixels: a row with its activity, the space above the rows, and the labels below them. */
export const top = 4;
export const labels = 22;
export const rowHeight = (rows: number): number => (rows <= 1 ? 40 : 20);
export const height = (rows: number): number => top + Math.max(rows, 1) * rowHeight(rows) + labels;

/** draw paints the whole bar; width is in CSS pixels and the context scaled to them. */
export function draw(c: CanvasRenderingContext2D, width: number, p: Picture, colours: Palette): void {
  const x = (ms: number): number => xOf(p.scale, width, ms);
  const tall = rowHeight(p.rows.length);
  const bottom = top + p.rows.length * tall;
  c.clearRect(0, 0, width, bottom + labels);
  p.rows.forEach((row, i) => {
    const y = top + i * tall;
    const high = p.rows.length > 1 ? tall - 2 : tall;
    c.fillStyle = colours.track;
    c.fillRect(0, y, width, high);
    c.fillStyle = colours.unknown;
    for (const u of row.unknown) {
      stripe(c, x(u.start), x(u.end), width, y, high);
    }
    c.fillStyle = colours.recorded;
    for (const r of row.ranges) {
      stripe(c, x(r.start), x(r.end), width, y, high);
    }
    drawActivity(c, width, p.scale, row, y, high, colours);
    if (p.rows.length > 1) {
      drawName(c, row.name, y, high, colours);
    }
  });

  if (p.marks.from !== undefined || p.marks.to !== undefined) {
    drawMarks(c, width, x, p.marks, bottom, colours);
  }
  c.textBaseline = 'top';
  c.textAlign = 'center';
  for (const t of p.ticks) {
    const at = Math.round(x(t.ms));
    c.fillStyle = colours.line;
    c.fillRect(at, bottom, 1, 5);
    c.fillStyle = colours.text;
    if (at > 18 && at < width - 18) {
      c.font = t.date ? '600 12px system-ui, sans-serif' : '12px system-ui, sans-serif';
      c.fillText(t.label, at, bottom + 7);
    }
  }
  upright(c, x(p.now), width, bottom, colours.now, 2);
  if (p.hover !== undefined) {
    upright(c, x(p.hover), width, bottom, colours.text, 1);
  }
  if (p.playhead !== undefined) {
    const at = x(p.playhead);
    upright(c, at, width, bottom, colours.head, 3);
    if (at >= -6 && at <= width + 6) {
      c.fillStyle = colours.head;
      c.beginPath();
      c.moveTo(at - 6, 0);
      c.lineTo(at + 6, 0);
      c.lineTo(at, 8);
      c.fill();
    }
  }
}

/** stripe fills a row between two positions; anything there is is at least a pixel wide. */
function stripe(c: CanvasRenderingContext2D, from: number, to: number, width: number, y: number, high: number): void {
  const left = Math.max(0, from);
  const right = Math.min(width, Math.max(to, from + 1));
  if (right > left) {
    c.fillRect(left, y, right - left, high);
  }
}

function upright(c: CanvasRenderingContext2D, at: number, width: number, bottom: number, colour: string, wide: number): void {
  if (at >= -wide && at <= width + wide) {
    c.fillStyle = colour;
    c.fillRect(Math.round(at - wide / 2), 0, wide, bottom + 4);
  }
}

function drawActivity(
  c: CanvasRenderingContext2D, width: number, scale: Scale, row: Row, y: number, high: number, colours: Palette,
): void {
  c.fillStyle = colours.activity;
  const perPixel = spanOf(scale) / width;
  for (const a of row.activity) {
    const end = a.start + a.step * a.values.length;
    if (end < scale.start || a.start > scale.end) {
      continue;
    }
    const first = Math.max(0, Math.floor((scale.start - a.start) / a.step));
    const last = Math.min(a.values.length, Math.ceil((scale.end - a.start) / a.step));
    const bundle = Math.max(1, Math.floor((2 * perPixel) / a.step)); // as many steps as fill two pixels become one bar
    for (let i = first - (first % bundle); i < last; i += bundle) {
      let most = 0;
      for (let k = i; k < Math.min(i + bundle, a.values.length); k++) {
        const v = a.values[k] ?? NaN;
        most = v > most ? v : most; // false for NaN
      }
      if (most > 0) {
        const left = xOf(scale, width, a.start + i * a.step);
        const share = (most - row.rates.low) / Math.max(row.rates.high - row.rates.low, 1);
        const tall = Math.min(Math.max(2, share * (high - 4)), high - 4);
        c.fillRect(left, y + high - tall, Math.max(1, (bundle * a.step) / perPixel), tall);
      }
    }
  }
}

function drawName(c: CanvasRenderingContext2D, name: string, y: number, high: number, colours: Palette): void {
  c.font = '11px system-ui, sans-serif';
  c.textAlign = 'left';
  c.textBaseline = 'middle';
  const wide = Math.min(c.measureText(name).width, 160);
  c.globalAlpha = 0.85;
  c.fillStyle = colours.track;
  c.fillRect(0, y, wide + 10, high);
  c.globalAlpha = 1;
  c.fillStyle = colours.text;
  c.fillText(name, 5, y + high / 2 + 1, 160);
}

function drawMarks(
  c: CanvasRenderingContext2D, width: number, x: (ms: number) => number, m: Picture['marks'], bottom: number, colours: Palette,
): void {
  const from = m.from === undefined ? undefined : x(m.from);
  const to = m.to === undefined ? undefined : x(m.to);
  c.fillStyle = colours.mark;
  if (from !== undefined && to !== undefined) {
    c.globalAlpha = 0.3;
    c.fillRect(Math.max(0, from), 0, Math.min(width, to) - Math.max(0, from), bottom + 4);
    c.globalAlpha = 1;
  }
  for (const [at, side] of [[from, 1], [to, -1]] as const) {
    if (at !== undefined) {
      c.fillRect(at - 1, 0, 2, bottom + 4);
      c.fillRect(side > 0 ? at : at - 7, 0, 7, 3);
      c.fillRect(side > 0 ? at : at - 7, bottom + 1, 7, 3);
    }
  }
}
