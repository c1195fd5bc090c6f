// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { covers, readToken, tokenIn, Viewer } from '../src/viewer';

const mac = 'A'.repeat(43);
const base64url = (bytes: Iterable<number>): string => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const made = (payload: unknown): string =>
  `s3t1.${base64url(new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload)))}.${mac}`;
const claims = { k: 'key1', x: 1_764_072_000, c: ['gate', 'yard/*'], r: 'w' };

describe('a token', () => {
  test('says what it is for', () => {
    expect(readToken(made(claims))).toEqual({ expires: 1_764_072_000_000, cameras: ['gate', 'yard/*'], clips: false, range: undefined });
    expect(readToken(made({ ...claims, c: ['南门'], r: 'wc', f: 1_764_060_000, t: 1_764_060_060 })))
      .toEqual({ expires: 1_764_072_000_000, cameras: ['南门'], clips: true, range: { start: 1_764_060_000_000, end: 1_764_060_060_000 } });
  });
  test.each([
    ['nothing', ''], ['another version', made(claims).replace('s3t1', 's3t2')], ['cut off', made(claims).slice(0, 30)],
    ['no JSON', made('{"k"')], ['a list', made([])], ['null', made('null')], ['cameras that are none', made({ ...claims, c: [1] })],
    ['no expiry', made({ ...claims, x: '1' })], ['not UTF-8', `s3t1.${base64url([0xff, 0xfe])}.${mac}`],
  ])('is not: %s', (_, text) => expect(readToken(text)).toBeUndefined());

  test('is found in what somebody pastes', () => {
    const token = made(claims);
    for (const text of [token, ` ${token}\n`, `https://cams.example/#/live/gate?token=${token}`, `Look: https://x/#/play/gate/2026-11-25%2010:00:00?end=open&token=${token} .`,
      `https://x/playlist.m3u8?camera_id=gate&token=${token}`]) {
      expect(tokenIn(text)).toBe(token);
    }
    for (const text of ['', 'https://x/#/live/gate', `https://x/#/?token=${token.slice(0, -30)}`]) {
      expect(tokenIn(text)).toBeUndefined();
    }
  });
});

test('a pattern stands for cameras as the server reads it', () => {
  expect(covers(['gate'], 'gate')).toBe(true);
  expect(covers(['gate'], 'gate2')).toBe(false);
  expect(covers(['yard/*'], 'yard/a')).toBe(true);
  expect(covers(['yard/*'], 'yard')).toBe(false);
  expect(covers(['*'], 'x')).toBe(true);
});

describe('the viewer', () => {
  const kept = new Map<string, string>();
  beforeEach(() => {
    kept.clear();
    vi.stubGlobal('sessionStorage', {
      getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => kept.set(k, v), removeItem: (k: string) => kept.delete(k),
    });
  });
  const range = { ...claims, f: 1_764_060_000, t: 1_764_060_060 };
  const person = { open: false, name: 'anna', admin: false, cameras: ['gate'], share: false };

  test('keeps a link for the tab, and forgets it', () => {
    new Viewer().take(made(claims));
    const v = new Viewer();
    expect(v.token).toBe(made(claims));
    v.drop();
    expect([v.token, v.claims, new Viewer().token]).toEqual([undefined, undefined, undefined]);
  });
  test('sends what cannot be a token in a form that a header takes, for the server to refuse', () => {
    const v = new Viewer();
    v.take('é\r\nX: y');
    expect([v.token, v.claims, v.byLink]).toEqual(['s3t1.', undefined, true]);
    v.take(made(claims).slice(0, 30));
    expect(v.token).toBe(made(claims).slice(0, 30));
  });
  test('who signed in is not held to what a link says', () => {
    const v = new Viewer();
    v.take(made(range));
    expect([v.byLink, v.mayClip('gate'), v.rangeOf('gate')]).toEqual([true, false, { start: 1_764_060_000_000, end: 1_764_060_060_000 }]);
    expect(v.rangeOf('other')).toBeUndefined();
    v.session = person;
    expect([v.byLink, v.mayClip('gate'), v.rangeOf('gate'), v.mayShare]).toEqual([false, true, undefined, false]);
    // But of a camera that he may not see himself there is what the link gives.
    expect([v.mayClip('yard/a'), v.rangeOf('yard/a')]).toEqual([false, { start: 1_764_060_000_000, end: 1_764_060_060_000 }]);
    v.session = { ...person, name: '', open: true };
    expect([v.byLink, v.mayShare]).toEqual([false, true]);
    v.session = { ...person, name: '' }; // of who has the link only
    expect([v.byLink, v.known, v.mayShare]).toEqual([true, false, false]);
  });
});
