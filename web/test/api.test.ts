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
