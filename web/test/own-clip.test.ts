// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import type { API, Result } from '../src/api';
import { fetchPiece, findPiece, nameOf, type Outcome, pieceOf } from '../src/timeline/own-clip';

const begin = Date.UTC(2024, 2, 8, 10);
const packet = 188;
type Reply = Result<Uint8Array<ArrayBuffer>>;

/** playlist lists segments of three seconds that begin at these seconds. */
const playlist = (...at: number[]): string => ['#EXTM3U', ...at.flatMap((s, i) => [
  ...(i > 0 && s > at[i - 1]! + 3 ? ['#EXT-X-DISCONTINUITY'] : []),
  `#EXT-X-PROGRAM-DATE-TIME:${new Date(begin + s * 1000).toISOString()}`, '#EXTINF:3,', `segments/yard/${s}.ts`]), '#EXT-X-ENDLIST'].join('\n');
/** ts is a segment whose packets all carry a number. */
const ts = (n: number, packets = 2): Uint8Array<ArrayBuffer> => {
  const b = new Uint8Array(packet * packets).fill(n);
  b[0] = 0x47;
  return b;
};
const error = (reason: 'offline' | 'notFound' | 'denied' | 'server'): Reply => ({ kind: 'error', reason, code: 'x', message: 'why' });

interface Fetched {
  outcome: Outcome;
  written: number[];
  asked: string[];
  most: number;
}

/** fetched runs a clip of the segments at these seconds against answers for each address. */
async function fetched(
  at: number[], answer: (url: string, n: number) => Reply | Promise<Reply>, o: { most?: number; signal?: AbortSignal; list?: () => string } = {},
): Promise<Fetched> {
  const asked: string[] = [];
  const written: number[] = [];
  let under = 0;
  let most = 0;
  const api: Pick<API, 'playlist' | 'replayURL' | 'segment' | 'coverage'> = {
    replayURL: () => 'https://api/replay.m3u8?x',
    playlist: async () => ({ kind: 'ok', value: (o.list ?? (() => playlist(...at)))() }),
    coverage: async () => ({ kind: 'ok', value: { ranges: [{ start: begin, end: begin + 1, segments: 1, bytes: 1000 }], sizes: [] } }),
    segment: async (url) => {
      under++;
      most = Math.max(most, under);
      await Promise.resolve();
      const reply = await answer(url, asked.push(url));
      under--;
      return reply;
    },
  };
  const signal = o.signal ?? new AbortController().signal;
  const found = await findPiece(api, 'yard', begin, begin + 1, signal);
  if (found.kind !== 'ok') {
    throw new Error(found.kind);
  }
  const outcome = await fetchPiece(api, {
    camera: 'yard', piece: found.value, most: o.most ?? Infinity, signal, progress: () => {}, pause: async () => {},
    sink: { write: async (part) => { written.push(part[packet]!); } },
  });
  return { outcome, written, asked, most };
}
const numberOf = (url: string): number => Number(/(\d+)\.ts/.exec(url)?.[1]);

describe('what a file would hold', () => {
  test('whole segments, their addresses, and the gaps between them', () => {
    const p = pieceOf(playlist(0, 3, 60, 63, 200), 'https://api/x/replay.m3u8?a=b', 7)!;
    expect([p.start - begin, p.end - begin, p.bytes]).toEqual([0, 203_000, 7]);
    expect(p.segments[1]?.uri).toBe('https://api/x/segments/yard/3.ts');
    expect(p.gaps.map((g) => [g.start - begin, g.end - begin])).toEqual([[6000, 60_000], [66_000, 200_000]]);
  });
  test('nothing, when the playlist lists nothing', () => expect(pieceOf('#EXTM3U\n#EXT-X-ENDLIST', 'https://api/', 0)).toBeUndefined());
  test('a name as the server gives it, with nothing that a file system dislikes', () => {
    expect(nameOf('front-door', { start: begin, end: begin + 11_400 })).toBe('front-door_2024-03-08T10-00-00Z_11s.ts');
    expect(nameOf('仓库/door 1:*', { start: begin + 999, end: begin + 3_600_000 })).toBe('仓库-door 1--_2024-03-08T10-00-00Z_3599s.ts');
  });
});

describe('the file', () => {
  test('has every segment in order, few of them on their way at a time', async () => {
    const at = Array.from({ length: 20 }, (_, i) => 3 * i);
    const f = await fetched(at, (url) => ({ kind: 'ok', value: ts(numberOf(url)) }));
    expect(f.written).toEqual(at);
    expect(f.outcome).toEqual({ kind: 'ok', bytes: 20 * 2 * packet });
    expect(f.most).toBeLessThanOrEqual(3);
  });
  test('keeps the order when a later segment comes first', async () => {
    const f = await fetched([0, 3, 6], async (url) => {
      for (let i = 0; i < 20 - numberOf(url); i++) {
        await Promise.resolve();
      }
      return { kind: 'ok', value: ts(numberOf(url)) };
    });
    expect(f.written).toEqual([0, 3, 6]);
  });
  test('is whole although a segment failed at first', async () => {
    const failed = new Set<string>();
    const f = await fetched([0, 3, 6], (url) => {
      if (!failed.has(url)) {
        failed.add(url);
        return error('offline');
      }
      return { kind: 'ok', value: ts(numberOf(url)) };
    });
    expect([f.outcome.kind, f.written]).toEqual(['ok', [0, 3, 6]]);
  });
  test('ends in an error that names the segment when one cannot be had', async () => {
    const f = await fetched([0, 3, 6, 9, 12, 15], (url) => (numberOf(url) === 6 ? error('server') : { kind: 'ok', value: ts(numberOf(url)) }));
    expect(f.outcome).toEqual({ kind: 'missing', at: begin + 6000, reason: 'server', message: 'why' });
    expect(f.written).toEqual([0, 3]);
    expect(f.asked.filter((u) => numberOf(u) === 6).length).toBe(4);
  });
  test('is not made when a segment was deleted meanwhile, and that is not asked about again', async () => {
    const f = await fetched([0, 3], (url) => (numberOf(url) === 3 ? error('notFound') : { kind: 'ok', value: ts(0) }));
    expect(f.outcome).toMatchObject({ kind: 'missing', reason: 'notFound' });
    expect(f.asked.length).toBe(2);
  });
  test('has no page of a proxy in it', async () => {
    const html = new Uint8Array(400).fill(0x3c);
    const f = await fetched([0], () => ({ kind: 'ok', value: html }));
    expect(f.outcome).toMatchObject({ kind: 'missing', reason: 'damaged' });
  });
  test('asks for a fresh address when a signature is no longer valid', async () => {
    let signature = 1;
    const list = (): string => playlist(0).replace('.ts', `.ts?sig=${signature}`);
    const f = await fetched([0], (url) => {
      signature = 2;
      return url.endsWith('sig=2') ? { kind: 'ok', value: ts(9) } : error('denied');
    }, { list });
    expect([f.outcome.kind, f.written]).toEqual(['ok', [9]]);
  });
  test('is called off at once, and by its size', async () => {
    const stop = new AbortController();
    const f = await fetched([0, 3, 6, 9], (url) => {
      if (numberOf(url) === 6) {
        stop.abort();
      }
      return { kind: 'ok', value: ts(numberOf(url)) };
    }, { signal: stop.signal });
    expect(f.outcome.kind).toBe('aborted');
    const big = await fetched([0, 3, 6], (url) => ({ kind: 'ok', value: ts(numberOf(url), 10) }), { most: 25 * packet });
    expect([big.outcome.kind, big.written]).toEqual(['tooBig', [0, 3]]);
  });
});
