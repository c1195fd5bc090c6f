// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { Result } from '../src/api';
import { Ahead, lookahead, mostSegments, type Playing } from '../src/player/ahead';
import type { Source } from '../src/player/camera-player';
import { following } from '../src/player/longer';
import { type ListedSegment, parseSegments } from '../src/timeline/playlist';

const server = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:3
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-START:TIME-OFFSET=1.5,PRECISE=YES
#EXT-X-PROGRAM-DATE-TIME:2024-03-08T10:00:00.000Z
#EXTINF:3.04,
segments/yard/2024/03/08/10/00/00.ts
#EXTINF:2.96,
segments/yard/2024/03/08/10/00/03.ts?sig=1
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2024-03-08T11:00:00.000Z
#EXTINF:3,
https://bucket/yard/2024/03/08/11/00/00.ts?sig=2
#EXT-X-ENDLIST
`;
const ten = Date.UTC(2024, 2, 8, 10);

describe('the segments of a playlist', () => {
  test('have times, counted on where the playlist says none', () => {
    expect(parseSegments(server)).toEqual([
      { uri: 'segments/yard/2024/03/08/10/00/00.ts', duration: 3.04, programTime: ten, discontinuity: false },
      { uri: 'segments/yard/2024/03/08/10/00/03.ts?sig=1', duration: 2.96, programTime: ten + 3040, discontinuity: false },
      { uri: 'https://bucket/yard/2024/03/08/11/00/00.ts?sig=2', duration: 3, programTime: ten + 3600_000, discontinuity: true },
    ]);
  });
});

describe('what follows', () => {
  const at = (n: number, uri = `segments/c/2024/03/08/10/00/${String(n).padStart(2, '0')}.ts`, discontinuity = false): ListedSegment =>
    ({ uri, duration: 3, programTime: ten + n * 1000, discontinuity });
  test('begins after the last segment that both have, whatever its signature', () => {
    const next = [at(3, 'https://s3/b/c/2024/03/08/10/00/03.ts?sig'), at(6), at(9, undefined, true)];
    expect(following([at(0), at(3)], next)).toEqual([at(6), at(9, undefined, true)]);
  });
  test('is nothing when the other has nothing new', () => expect(following([at(0), at(3)], [at(0), at(3)])).toEqual([]));
  test('is taken for a break when the two do not overlap', () => {
    expect(following([at(0), at(3)], [at(1), at(30), at(33)])).toEqual([{ ...at(30), discontinuity: true }, at(33)]);
  });
});

describe('looking ahead', () => {
  const hour = 3600_000;
  const now = ten + 1000 * hour;
  const ok = (value: string): Result<string> => ({ kind: 'ok', value });
  /** player plays with so much left, and takes the answers. */
  const player = (remaining: number, more: Partial<Playing> = {}): Playing & { taken: string[] } => {
    const taken: string[] = [];
    return {
      taken, source: { mode: 'range', url: 'first' }, rangeEnd: ten, remaining, segments: 100, rate: 1,
      append: (text) => text === 'more' && taken.push(text) > 0, ...more,
    };
  };
  const ahead = (answer: (url: string) => Result<string>, o: { found?: number; until?: number; crossGaps?: boolean; now?: number } = {}): { it: Ahead; asked: string[] } => {
    const asked: string[] = [];
    const it = new Ahead({
      camera: 'c', now: () => o.now ?? now, crossGaps: o.crossGaps ?? true, until: o.until, signal: new AbortController().signal,
      stretch: (at, n): Source => (at + hour > n ? { mode: 'growing', url: 'growing', from: at } : { mode: 'range', url: `after ${at}`, from: at }),
      api: {
        playlist: async (url) => { asked.push(url); return answer(url); },
        replayURL: (_c, start, end) => `${start} to ${end}`,
        coverage: async (_c, start, end) => ({ kind: 'ok', value: { sizes: [], ranges: o.found === undefined || o.found >= end || o.found < start - 24 * hour
          ? [] : [{ start: o.found, end: o.found + hour, segments: 1, bytes: 1 }] } }),
      },
    });
    return { it, asked };
  };

  test('asks for nothing long before the end, and again at each speed', async () => {
    const { it, asked } = ahead(() => ok('more'));
    await it.look(player(lookahead + 1), 0);
    expect(asked).toEqual([]);
    const fast = player(lookahead * 8 - 1, { rate: 8 });
    await it.look(fast, 0);
    expect([asked, fast.taken]).toEqual([[`after ${ten}`], ['more']]);
  });
  test('leaves live, what grows, and what is to end alone', async () => {
    const { it, asked } = ahead(() => ok('more'), { until: ten });
    await it.look(player(5), 0);
    await it.look(player(5, { source: { mode: 'growing', url: 'x' }, rangeEnd: ten - hour }), 0);
    await it.look(player(5, { source: { mode: 'live', url: 'x' }, rangeEnd: ten - hour }), 0);
    await it.look(player(5, { segments: mostSegments + 1, rangeEnd: ten - hour }), 0);
    expect(asked).toEqual([]);
  });
  test('waits after a failure, and tries again', async () => {
    let fail = true;
    const { it, asked } = ahead(() => (fail ? { kind: 'error', reason: 'server', code: '', message: '' } : ok('more')));
    const p = player(50);
    await it.look(p, 0);
    await it.look(p, 1000);
    expect(asked.length).toBe(1);
    fail = false;
    await it.look(p, 20_000);
    expect(p.taken).toEqual(['more']);
  });
  test('crosses a gap that is longer than a stretch, if it may', async () => {
    const later = ten + 40 * hour;
    const answer = (url: string): Result<string> => (url === `after ${later}` ? ok('more') : { kind: 'error', reason: 'notFound', code: '', message: '' });
    const p = player(50);
    await ahead(answer, { found: later }).it.look(p, 0);
    expect(p.taken).toEqual(['more']);
    const stays = player(50);
    const { it, asked } = ahead(answer, { found: later, crossGaps: false });
    await it.look(stays, 0);
    await it.look(stays, 60_000);
    expect([stays.taken, asked.length]).toEqual([[], 1]);
  });
  test('near now asks for what there is until now, and again later', async () => {
    const near = ten + hour / 2;
    const { it, asked } = ahead(() => ok('nothing new'), { now: near });
    const p = player(50);
    await it.look(p, 0);
    await it.look(p, 5_000);
    await it.look(p, 11_000);
    expect(asked).toEqual([`${ten} to ${near}`, `${ten} to ${near}`]);
  });
  test('drops the answer when something else is played by now', async () => {
    const p = player(50);
    let source = p.source;
    const moving: Playing = { ...p, get source() { return source; }, append: () => { throw new Error('appended to another playlist'); } };
    const { it } = ahead(() => { source = { mode: 'range', url: 'other' }; return ok('more'); });
    await it.look(moving, 0);
    expect(p.taken).toEqual([]);
  });
});
