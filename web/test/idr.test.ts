// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { findIdr } from '../src/timeline/idr';
import { annexB, segment } from './ts';

const unit = (type: number, length: number, fill: number): Uint8Array => {
  const u = new Uint8Array(length).fill(fill);
  u[0] = 0x60 | type;
  return u;
};
const aud = Uint8Array.from([0x09, 0xf0]);
const sps = Uint8Array.from([0x67, 0x64, 0x00, 0x1f, 0xac, 0x01]);
const pps = Uint8Array.from([0x68, 0xee, 0x3c, 0x80]);
const sei = unit(6, 30, 1);
const slices = [unit(5, 900, 0xaa), unit(5, 1500, 0xbb)];
const idr = annexB(aud, sps, pps, sei, ...slices);
const next = annexB(aud, unit(1, 400, 0xcc));

/** What a decoder needs, and in which order. 0x80 at the end of the PPS is followed by no zero that belongs to it. */
const wanted = annexB(sps, pps, ...slices);

describe('the first picture of a segment', () => {
  test('is taken out whole: parameter sets and slices, without what a decoder does not need', () => {
    const found = findIdr(segment({ access: [idr, next] }));
    expect(found?.codec).toBe('avc1.64001f');
    expect(found?.cut).toBe(false);
    expect([...found!.data]).toEqual([...wanted]);
  });

  test('is found on another PID, behind descriptors', () => {
    expect([...findIdr(segment({ videoPid: 0x1fe, programInfo: [5, 4, 72, 68, 77, 86], access: [idr, next] }))!.data]).toEqual([...wanted]);
  });

  test('with start codes of three bytes and zeros between the units is the same', () => {
    const short = Uint8Array.from([sps, pps, ...slices].flatMap((u) => [0, 0, 1, ...u, 0, 0]));
    expect([...findIdr(segment({ access: [short, next] }))!.data]).toEqual([...wanted]);
  });

  test('is said to be cut while its end is not there', () => {
    const whole = segment({ access: [idr, next] });
    const sizes = Array.from({ length: whole.length / 188 }, (_, i) => (i + 1) * 188);
    const cut = sizes.map((n) => findIdr(whole.subarray(0, n))?.cut);
    expect(cut.at(-1)).toBe(false);
    expect(cut.filter((c) => c === true).length).toBeGreaterThan(5);
    expect(cut.indexOf(false)).toBeGreaterThan(cut.lastIndexOf(true));
  });

  test('of a segment that is a single picture is cut as well: more may come', () => {
    expect(findIdr(segment({ access: [idr] }))?.cut).toBe(true);
  });
});

describe('nothing is made of', () => {
  const cases: [string, Uint8Array][] = [
    ['no bytes', new Uint8Array()],
    ['a text', new TextEncoder().encode('<html>'.repeat(100))],
    ['H.265', segment({ type: 0x24, access: [idr, next] })],
    ['a segment that begins inside a group of pictures', segment({ access: [next, next] })],
    ['slices without parameter sets', segment({ access: [annexB(aud, ...slices), next] })],
  ];
  test.each(cases)('%s', (_, bytes) => expect(findIdr(bytes)).toBeUndefined());

  test('damage: whatever byte is wrong, there is no exception', () => {
    const whole = segment({ access: [idr, next] });
    let seed = 1;
    const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
    for (let i = 0; i < 3000; i++) {
      const bytes = whole.slice(0, random(whole.length));
      for (let k = 0; k < 3 && bytes.length > 0; k++) {
        bytes[random(bytes.length)] = random(256);
      }
      expect(() => findIdr(bytes)).not.toThrow();
    }
  });
});
