// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { API } from '../src/api';
import { ServerClock } from '../src/clock';

interface Seen {
  url: string;
}

function apiThatAnswers(status: number, body: string, seen: Seen = { url: '' }, apiBase = ''): API {
  return new API('http://host/site/index.html#/live/x', apiBase, new ServerClock(), undefined, (url) => {
    seen.url = url;
    return Promise.resolve(new Response(body, { status, headers: { Date: 'Fri, 01 Jan 2021 00:00:00 GMT' } }));
  });
}

const signal = new AbortController().signal;

describe('cameras', () => {
  test('are decoded field by field', async () => {
    const body = '{"cameras":[{"id":"a/b","last":"2021-01-01T00:00:03Z","live":true},{"id":"c","last":null,"live":false}]}';
    expect(await apiThatAnswers(200, body).cameras(signal)).toEqual({
      kind: 'ok',
      value: [{ id: 'a/b', last: Date.parse('2021-01-01T00:00:03Z'), live: true }, { id: 'c', last: undefined, live: false }],
    });
  });

  const wrong: [name: string, body: string, message: string][] = [
    ['not JSON', '<html>', 'the reply is not JSON'],
    ['no list', '{"cameras":{}}', 'cameras is not a list'],
    ['an id that is a number', '{"cameras":[{"id":1}]}', 'cameras[0].id is not a string'],
    ['a time that is none', '{"cameras":[{"id":"a","last":"soon"}]}', 'cameras[0].last is not a time'],
    ['null', 'null', 'reply is not an object'],
  ];
  test.each(wrong)('%s is an error that says where', async (_, body, message) => {
    expect(await apiThatAnswers(200, body).cameras(signal)).toEqual(
      { kind: 'error', reason: 'server', code: 'bad_reply', message });
  });
});

describe('a failing server', () => {
  const table: [status: number, body: string, reason: string, code: string][] = [
    [404, '{"error":{"code":"NoSegments","message":"nothing there"}}', 'notFound', 'NoSegments'],
    [400, '{"error":{"code":"BadTime","message":"start"}}', 'badRequest', 'BadTime'],
    [401, '', 'expired', 'http_401'],
    [403, '<html>', 'denied', 'http_403'],
    [429, '{}', 'server', 'http_429'],
    [503, 'null', 'server', 'http_503'],
  ];
  test.each(table)('%d %s', async (status, body, reason, code) => {
    expect(await apiThatAnswers(status, body).cameras(signal)).toMatchObject({ kind: 'error', reason, code });
  });

  test('one that cannot be reached is offline', async () => {
    const api = new API('http://host/', '', new ServerClock(), undefined, () => Promise.reject(new TypeError('Failed to fetch')));
    expect(await api.cameras(signal)).toMatchObject({ kind: 'error', reason: 'offline' });
  });
});

test('a call that the view left is aborted, not failed', async () => {
  const leave = new AbortController();
  const api = new API('http://host/', '', new ServerClock(), undefined, (_, init) => new Promise((_resolve, reject) => {
    init.signal?.addEventListener('abort', () => reject(new DOMException('left', 'AbortError')));
  }));
  const call = api.cameras(leave.signal);
  leave.abort();
  expect(await call).toEqual({ kind: 'aborted' });
});

describe('addresses', () => {
  test('are relative to the page when no API is configured, and encode the camera', () => {
    const api = apiThatAnswers(200, '{}');
    expect(api.liveURL('南门/a b&c')).toBe('http://host/site/playlist.m3u8?camera_id=%E5%8D%97%E9%97%A8%2Fa+b%26c');
  });
  test('name the API elsewhere, with or without a slash', () => {
    const start = Date.parse('2021-01-01T00:00:00Z');
    const want = 'https://api.example.com/v1/replay.m3u8?camera_id=cam&start=2021-01-01T00%3A00%3A00Z&end=2021-01-01T00%3A00%3A01.500Z';
    for (const base of ['https://api.example.com/v1', 'https://api.example.com/v1/']) {
      expect(apiThatAnswers(200, '', undefined, base).replayURL('cam', start, start + 1500)).toBe(want);
    }
  });
  test('coverage asks for the range and decodes it', async () => {
    const seen = { url: '' };
    const body = '{"camera_id":"c","ranges":[{"start":"2021-01-01T00:00:00Z","end":"2021-01-01T00:01:00Z","segments":20,"bytes":9}]}';
    const reply = await apiThatAnswers(200, body, seen).coverage('c', 0, 86_400_000, signal);
    expect(seen.url).toContain('coverage?camera_id=c&start=1970-01-01T00%3A00%3A00Z&end=1970-01-02T00%3A00%3A00Z');
    expect(reply).toMatchObject({ kind: 'ok', value: { ranges: [{ segments: 20, bytes: 9 }] } });
  });
});

describe('with a link', () => {
  interface Call { url: string; init: RequestInit }
  const token = 's3t1.a.b';
  const made = (range?: { start: number; end: number }, status = 200, body = '{}', denied: string[] = []): { api: API; calls: Call[] } => {
    const calls: Call[] = [];
    const observer = { heard: () => {}, lost: () => {}, denied: (code: string) => denied.push(code) };
    const api = new API('http://host/', '', new ServerClock(), observer, (url, init) => {
      calls.push({ url, init });
      return Promise.resolve(new Response(body, { status }));
    }, { token, rangeOf: () => range });
    return { api, calls };
  };

  test('calls carry the token as a bearer, and not in the address', async () => {
    const { api, calls } = made(undefined, 200, '{"cameras":[],"ranges":[]}');
    await api.cameras(signal);
    await api.coverage('c', 0, 1000, signal);
    await api.clip('c', 0, 1000, 'mp4', 1e6, signal, () => {});
    expect(calls.map((c) => [new Headers(c.init.headers).get('Authorization'), c.url.includes('token')])).toEqual(Array(3).fill([`Bearer ${token}`, false]));
  });
  test('what a player or a download asks for has it in the address', async () => {
    const { api, calls } = made();
    for (const url of [api.liveURL('c'), api.replayURL('c', 0, 1000), api.clipURL('c', 0, 1000, 'ts')]) {
      expect(new URL(url).searchParams.get('token')).toBe(token);
    }
    await api.check(api.liveURL('c'), signal);
    expect(new Headers(calls[0]?.init.headers).has('Authorization')).toBe(false);
  });
  test('to a range nothing is asked for beyond it', async () => {
    const { api, calls } = made({ start: 10_000, end: 20_000 }, 200, '{"ranges":[]}');
    const span = (url: string): (string | null)[] => ['start', 'end'].map((n) => new URL(url).searchParams.get(n));
    const want = ['1970-01-01T00:00:10Z', '1970-01-01T00:00:20Z'];
    expect(span(api.replayURL('c', 0, 99_000))).toEqual(want);
    expect(span(api.replayURL('c', 0, undefined))).toEqual(want);
    expect(span(api.clipURL('c', 0, 99_000, 'mp4'))).toEqual(want);
    expect(await api.coverage('c', 30_000, 40_000, signal)).toEqual({ kind: 'ok', value: { ranges: [], sizes: [] } });
    expect(calls).toEqual([]);
    await api.coverage('c', 0, 15_000, signal);
    expect(span(calls[0]?.url ?? '')).toEqual(['1970-01-01T00:00:10Z', '1970-01-01T00:00:15Z']);
  });
  test('why it is refused is told, except of the question who is asking', async () => {
    const denied: string[] = [];
    const { api } = made(undefined, 401, '{"error":{"code":"token_expired","message":"ask for a new one"}}', denied);
    expect(await api.session(signal)).toMatchObject({ kind: 'error', code: 'token_expired' });
    expect(denied).toEqual([]);
    await api.cameras(signal);
    expect(denied).toEqual(['token_expired']);
  });
});

test('a link is made by a request with JSON, with the range if there is one', async () => {
  const seen: { url: string; init: RequestInit }[] = [];
  const api = new API('http://host/', '', new ServerClock(), undefined, (url, init) => {
    seen.push({ url, init });
    return Promise.resolve(new Response('{"token":"s3t1.a.b","key":"k1","camera_id":"c","expires":"2026-11-25T12:00:00Z"}'));
  });
  expect(await api.share('c', 3600, true, { start: 0, end: 1000 }, signal))
    .toEqual({ kind: 'ok', value: { token: 's3t1.a.b', key: 'k1', expires: Date.parse('2026-11-25T12:00:00Z') } });
  await api.share('c', 60, false, undefined, signal);
  expect(seen.map((s) => [s.url, s.init.method, new Headers(s.init.headers).get('Content-Type')])).toEqual(Array(2).fill(['http://host/share', 'POST', 'application/json']));
  expect(seen.map((s) => JSON.parse(String(s.init.body)) as unknown)).toEqual([
    { camera_id: 'c', expires_in: 3600, rights: ['watch', 'clip'], start: '1970-01-01T00:00:00Z', end: '1970-01-01T00:00:01Z' },
    { camera_id: 'c', expires_in: 60, rights: ['watch'] }]);
});
