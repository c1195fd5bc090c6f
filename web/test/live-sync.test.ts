// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { LiveSync, margin, PollPlanner, startDelay } from '../src/player/live-sync';
import { endTime, offsetOf, programTimeAt } from '../src/player/program-time';

describe('where live playback begins', () => {
  test('is the same latency, whenever within a segment the viewer joins', () => {
    for (const age of [0.2, 1, 2, 3.1]) {
      const delay = startDelay(1_000_000 + age * 1000, 1_000_000, 3, 18);
      expect(age + delay).toBeCloseTo(3 + 1.4, 5);
    }
  });
  test('is the last segment of a camera that fell silent', () => {
    expect(startDelay(9_000_000, 1_000_000, 3, 18)).toBe(3);
  });
  test('is the last segment when the clocks disagree', () => {
    expect(startDelay(1_000_000, 1_060_000, 3, 18)).toBe(3);
  });
  test('stays within the playlist', () => {
    expect(startDelay(1_000_000, 1_000_000, 3, 3)).toBeCloseTo(2.7);
    expect(startDelay(1_000_000, undefined, 3, 18)).toBeCloseTo(2.9);
  });
});

describe('polling', () => {
  // A camera whose segments are listed `lateness` after their end, polled as the planner says.
  function polls(segment: number, lateness: number, count: number): { perSegment: number; late: number } {
    const planner = new PollPlanner();
    let now = 100_000_000;
    let asked = 0;
    let end = now;
    let sum = 0;
    let segments = 0;
    while (segments < count) {
      const wait = planner.loaded(now, end, segment);
      expect(wait).toBeDefined();
      now += wait ?? 0;
      asked++;
      if (now >= end + (segment + lateness) * 1000) {
        end += segment * 1000;
        segments++;
        if (segments > 10) {
          sum += (now - end) / 1000 - lateness;
        }
      }
    }
    return { perSegment: asked / count, late: sum / (count - 10) };
  }
  test.each([[3, 0.05], [3, 0.4], [3, 1.2], [1, 0.05], [1, 0.4]])(
    'finds %d s segments that appear %d s late, soon and with few requests', (segment, lateness) => {
      const { perSegment, late } = polls(segment, lateness, 100);
      expect(late).toBeLessThan(0.2);
      expect(perSegment).toBeLessThan(1.5);
    });
  test('waits longer for a segment that does not come, then leaves a silent camera to the player', () => {
    const planner = new PollPlanner();
    const waits = Array.from({ length: 34 }, (_, i) => planner.loaded(3_000 + i * 300, 0, 3));
    expect(waits.slice(1, 7)).toEqual([240, 240, 240, 240, 240, 240]);
    expect(waits.slice(7, 31)).toEqual(Array.from({ length: 24 }, () => 600));
    expect(waits.slice(31)).toEqual([undefined, undefined, undefined]);
  });
});

describe('steering', () => {
  // Plays segments that arrive `arrival` seconds after their first frame was captured, jitter included.
  function play(segment: number, arrival: (i: number) => number, startLatency: number, seconds: number):
  { latency: number; stalls: number; fastest: number } {
    const sync = new LiveSync();
    let position = 0; // capture time of the shown frame
    let now = startLatency;
    let buffered = startLatency - 0.01; // everything that is complete by now
    let next = Math.ceil((now - arrival(0)) / segment);
    buffered = next * segment;
    let stalls = 0;
    let dry = false;
    let fastest = 0;
    const step = 0.1;
    for (; now < seconds; now += step) {
      while (now >= next * segment + arrival(next)) {
        sync.arrived(now, buffered, segment);
        next++;
        buffered = next * segment;
      }
      const { rate, jump } = sync.steer(now, position);
      fastest = Math.max(fastest, rate);
      position = Math.min(position + jump + rate * step, buffered);
      if (position >= buffered && !dry) {
        dry = true;
        stalls++;
        sync.stalled(segment);
      } else if (position < buffered) {
        dry = false;
      }
    }
    return { latency: now - position, stalls, fastest };
  }

  test.each([[3, 3.2], [1, 1.2]])('%d s segments are played one segment and the margin behind', (segment, arrival) => {
    const { latency, stalls, fastest } = play(segment, () => arrival, segment + 1.2, 60);
    expect(stalls).toBe(0);
    expect(latency).toBeLessThan(arrival + margin(segment) + 0.3);
    expect(fastest).toBeLessThanOrEqual(1.08);
  });
  test('a viewer who fell far behind is brought back at once', () => {
    const { latency, stalls } = play(3, () => 3.2, 14, 45);
    expect(stalls).toBe(0);
    expect(latency).toBeLessThan(4.4);
  });
  test('an uneven uplink is given the room that it needs', () => {
    const { latency, stalls } = play(1, (i) => 1.2 + (i % 4) * 0.3, 4, 120);
    expect(stalls).toBe(0);
    expect(latency).toBeLessThan(2.1 + margin(1) + 0.3);
  });
  test('after a stall playback settles without further ones', () => {
    const { stalls } = play(3, (i) => (i === 8 ? 8 : 3.2), 4.4, 120);
    expect(stalls).toBe(1);
  });
});

describe('the time line', () => {
  const segments = [
    { duration: 3, programTime: 1_000_000, start: undefined },
    { duration: 3, programTime: 1_003_000, start: 10 },
    { duration: 3, programTime: 1_060_000, start: 13 }, // after a gap
    { duration: 3, programTime: 1_063_000, start: undefined },
  ];
  test('tells what time a position was at the camera', () => {
    expect(programTimeAt(11.5, segments)).toBe(1_004_500);
    expect(programTimeAt(13, segments)).toBe(1_060_000);
    expect(programTimeAt(17, segments)).toBe(1_064_000);
    expect(programTimeAt(9, segments)).toBe(1_002_000);
    expect(programTimeAt(9, [])).toBeUndefined();
  });
  test('tells when the playlist ends', () => {
    expect(endTime(segments)).toBe(1_066_000);
    expect(endTime([])).toBeUndefined();
  });
  test('finds where a time lies in the playlist, the next thing when it lies in a gap', () => {
    expect(offsetOf(1_004_000, segments)).toBe(4);
    expect(offsetOf(1_030_000, segments)).toBe(6);
    expect(offsetOf(1_061_500, segments)).toBe(7.5);
    expect(offsetOf(0, segments)).toBe(0);
  });
});
