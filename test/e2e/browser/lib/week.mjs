// SPDX-License-Identifier: Apache-2.0

// Days of footage within seconds: one stored segment, written again and again under other keys with its clocks moved.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const packet = 188;
const wrap = 2n ** 33n;
const two = (n) => String(n).padStart(2, '0');

/** keyOf is the file of the segment of a camera that begins at an instant (ms), below the directory of the bucket. */
export function keyOf(camera, ms) {
  const d = new Date(ms);
  return join(camera, String(d.getUTCFullYear()), two(d.getUTCMonth() + 1), two(d.getUTCDate()), two(d.getUTCHours()),
    two(d.getUTCMinutes()), `${two(d.getUTCSeconds())}.ts`);
}

/** clocks finds the PCR, PTS and DTS of a segment: where they stand, and what they say. */
function clocks(ts) {
  const found = [];
  const stamp = (at) => {
    const b = (i) => BigInt(ts[at + i]);
    found.push({ at, kind: 'stamp', value: ((b(0) >> 1n) & 7n) << 30n | b(1) << 22n | (b(2) >> 1n) << 15n | b(3) << 7n | b(4) >> 1n });
  };
  for (let at = 0; at + packet <= ts.length; at += packet) {
    const control = (ts[at + 3] >> 4) & 3;
    let payload = at + 4;
    if ((control & 2) !== 0) {
      if (ts[at + 4] > 0 && (ts[at + 5] & 0x10) !== 0) {
        const b = (i) => BigInt(ts[at + 6 + i]);
        found.push({ at: at + 6, kind: 'pcr', value: b(0) << 25n | b(1) << 17n | b(2) << 9n | b(3) << 1n | b(4) >> 7n });
      }
      payload += 1 + ts[at + 4];
    }
    const start = (ts[at + 1] & 0x40) !== 0 && (control & 1) !== 0;
    if (start && ts[payload] === 0 && ts[payload + 1] === 0 && ts[payload + 2] === 1 && (ts[payload + 3] & 0xe0) >= 0xc0) {
      const flags = ts[payload + 7] >> 6;
      if (flags >= 2) {
        stamp(payload + 9);
      }
      if (flags === 3) {
        stamp(payload + 14);
      }
    }
  }
  return found;
}

function move(ts, { at, kind, value }, by) {
  const v = (((value + by) % wrap) + wrap) % wrap;
  const n = (shift, mask) => Number((v >> shift) & mask);
  if (kind === 'pcr') {
    ts.set([n(25n, 0xffn), n(17n, 0xffn), n(9n, 0xffn), n(1n, 0xffn), (ts[at + 4] & 0x7f) | (n(0n, 1n) << 7)], at);
  } else {
    ts.set([(ts[at] & 0xf1) | (n(30n, 7n) << 1), n(22n, 0xffn), (n(15n, 0x7fn) << 1) | 1, n(7n, 0xffn), (n(0n, 0x7fn) << 1) | 1], at);
  }
}

/**
 * fill writes count segments of step ms each from an instant on into the directory of a bucket. The segment to repeat is that which is
 * stored there under the key of templateAt; each continues the one before it, continuity counters aside.
 */
export function fill(bucket, camera, templateAt, from, count, step) {
  const template = readFileSync(join(bucket, keyOf(camera, templateAt)));
  const all = clocks(template);
  const made = new Set();
  for (let i = 0; i < count; i++) {
    const ms = from + i * step;
    const path = join(bucket, keyOf(camera, ms));
    const dir = dirname(path);
    if (!made.has(dir)) {
      mkdirSync(dir, { recursive: true });
      made.add(dir);
    }
    const ts = Buffer.from(template);
    const by = BigInt(ms - templateAt) * 90n;
    for (const c of all) {
      move(ts, c, by);
    }
    writeFileSync(path, ts);
  }
}
