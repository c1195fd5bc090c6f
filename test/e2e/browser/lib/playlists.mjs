// SPDX-License-Identifier: Apache-2.0

// Judges of playlists and of what a player fetched.

import assert from 'node:assert/strict';
import HLS from 'hls-parser';

HLS.setOptions({ strictMode: true });

/** strict parses a media playlist with hls-parser, which throws on what RFC 8216 forbids. */
export function strict(text) {
  const playlist = HLS.parse(text);
  assert.equal(playlist.isMasterPlaylist, false);
  return playlist;
}

/** Reloads holds successive states of one live playlist against each other. */
export class Reloads {
  #last;
  #known = new Map(); // by media sequence number: what was published
  states = 0;

  check(text) {
    const playlist = strict(text);
    this.states++;
    const { mediaSequenceBase: first, discontinuitySequenceBase: breaks, targetDuration, segments } = playlist;
    assert.ok(segments.reduce((sum, s) => sum + s.duration, 0) >= 3 * targetDuration || segments.length < 6,
      'the window is shorter than three target durations');
    if (this.#last !== undefined) {
      assert.ok(first >= this.#last.first, 'the media sequence number went back');
      assert.ok(breaks >= this.#last.breaks, 'the discontinuity sequence number went back');
      assert.equal(targetDuration, this.#last.targetDuration, 'the target duration changed');
      assert.ok(first + segments.length >= this.#last.end, 'the newest segment was taken back');
    }
    segments.forEach((s, i) => {
      const now = `${s.uri} ${s.duration} ${s.discontinuity}`;
      const before = this.#known.get(first + i);
      assert.equal(now, before ?? now, `segment ${first + i} changed`);
      this.#known.set(first + i, now);
    });
    assert.ok(segments[0].programDateTime, 'the first segment has no program date time');
    this.#last = { first, breaks, targetDuration, end: first + segments.length };
    return playlist;
  }
}

/** startOf reads the start of a segment from its address: seconds since the epoch. */
export function startOf(path) {
  const m = /\/(\d{4})\/(\d\d)\/(\d\d)\/(\d\d)\/(\d\d)\/(\d\d)\.ts/.exec(path);
  assert.ok(m, `${path} is no segment`);
  return Date.UTC(m[1], m[2] - 1, m[3], m[4], m[5], m[6]) / 1000;
}

/**
 * gapless asserts that a client fetched every segment once, in order and without leaving one out, and returns how many.
 * requests are those of proxy.mjs, step the segments' duration in seconds.
 */
export function gapless(requests, client, step) {
  const fetched = requests.filter((r) => r.client === client && r.path.includes('/segments/'));
  const bad = fetched.filter((r) => r.status !== 200 && r.status !== 206 && r.status !== 0);
  assert.deepEqual(bad, [], `${client}: failed requests`);
  const starts = fetched.map((r) => startOf(r.path));
  const faults = [];
  for (let i = 1; i < starts.length; i++) {
    const apart = starts[i] - starts[i - 1];
    if (apart === 0) {
      faults.push(`${fetched[i].path} twice`);
    } else if (apart !== step) {
      faults.push(`${fetched[i].path} ${apart} s after the one before`);
    }
  }
  assert.deepEqual(faults, [], `${client}: order of segments`);
  return starts.length;
}
