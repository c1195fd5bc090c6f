// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { formatRoute, parseRoute, type Route, takeToken, withToken } from '../src/route';

const start = Date.parse('2021-01-01T00:00:00Z');

describe('addresses', () => {
  const table: [name: string, hash: string, want: Route][] = [
    ['nothing is the camera list', '', { view: 'cameras' }],
    ['a lone slash too', '#/', { view: 'cameras' }],
    ['a live view', '#/live/cam1', { view: 'live', camera: 'cam1' }],
    ['an id with a slash, encoded', '#/live/site%2Fdoor', { view: 'live', camera: 'site/door' }],
    ['an id with a slash, bare', '#/live/site/door', { view: 'live', camera: 'site/door' }],
    ['an id in Chinese with a space', '#/live/%E5%8D%97%E9%97%A8%20A', { view: 'live', camera: '南门 A' }],
    ['replay without a time', '#/play/cam1', { view: 'play', camera: 'cam1' }],
    ["the manual's link", '#/play/demo/2021-01-01 00:00:00', { view: 'play', camera: 'demo', start }],
    ["the manual's link as a browser encodes it", '#/play/demo/2021-01-01%2000:00:00', { view: 'play', camera: 'demo', start }],
    ["the manual's link with dashes", '#/play/demo/2021-01-01%2000-00-00', { view: 'play', camera: 'demo', start }],
    ['a bare slash and a time', '#/play/site/door/2021-01-01%2000:00:00', { view: 'play', camera: 'site/door', start }],
    ['a range', '#/play/demo/2021-01-01T00:00:00Z?end=2021-01-01T00:10:00Z',
      { view: 'play', camera: 'demo', start, end: start + 600_000 }],
    ['an open end', '#/play/demo/1609459200?end=open', { view: 'play', camera: 'demo', start, end: 'open' }],
    ['an end before the start is no end', '#/play/demo/1609459200?end=1609459100', { view: 'play', camera: 'demo', start }],
    ['an id that is a time', '#/play/1609459200', { view: 'play', camera: '1609459200' }],
    ['a lone percent sign', '#/live/100%', { view: 'live', camera: '100%' }],
    ['several cameras', '#/sync/cam1/site%2Fdoor', { view: 'sync', cameras: ['cam1', 'site/door'] }],
    ['several cameras at a time', '#/sync/cam1/cam2/2021-01-01%2000:00:00', { view: 'sync', cameras: ['cam1', 'cam2'], start }],
    ['something else', '#/settings', { view: 'unknown' }],
    ['a live view of nothing', '#/live/', { view: 'unknown' }],
  ];
  test.each(table)('%s', (_, hash, want) => expect(parseRoute(hash)).toEqual(want));
});

test('every route comes back from its address', () => {
  const routes: Route[] = [{ view: 'cameras' }];
  for (const camera of ['cam1', 'site/door 2', '南门', 'a?b#c&d%', '..x']) {
    routes.push(
      { view: 'live', camera },
      { view: 'sync', cameras: [camera, 'b'] },
      { view: 'sync', cameras: ['a', camera], start },
      { view: 'play', camera },
      { view: 'play', camera, start },
      { view: 'play', camera, start, end: start + 61_000 },
      { view: 'play', camera, start, end: 'open' },
    );
  }
  for (const route of routes) {
    expect(parseRoute(formatRoute(route))).toEqual(route);
    expect(parseRoute(new URL(formatRoute(route), 'http://host/').hash)).toEqual(route);
  }
});

describe('the token of a link', () => {
  const token = 's3t1.eyJrIjoiYSJ9.abc-_';
  test.each([
    [`#/live/gate?token=${token}`, '#/live/gate'],
    [`#/play/gate/2021-01-01%2000:00:00?end=open&token=${token}`, '#/play/gate/2021-01-01%2000:00:00?end=open'],
    [`#/play/gate/2021-01-01%2000:00:00?token=${token}&end=open`, '#/play/gate/2021-01-01%2000:00:00?end=open'],
    [`#/?token=${token}`, '#/'],
    [`#/?token=${token}&token=x`, '#/'],
  ])('%s is taken out', (hash, rest) => expect(takeToken(hash)).toEqual({ hash: rest, token }));
  test('there may be none, or an empty one', () => {
    expect(takeToken('#/play/gate/1609459200?end=open')).toEqual({ hash: '#/play/gate/1609459200?end=open', token: undefined });
    expect(takeToken('#/live/a%3Ftoken=b')).toEqual({ hash: '#/live/a%3Ftoken=b', token: undefined });
    expect(takeToken('#/live/gate?token=')).toEqual({ hash: '#/live/gate', token: '' });
  });
  test('goes back to where it was', () => {
    for (const route of [{ view: 'cameras' }, { view: 'play', camera: 'a', start, end: start + 1000 }] as Route[]) {
      expect(takeToken(withToken(formatRoute(route), token))).toEqual({ hash: formatRoute(route), token });
      expect(withToken(formatRoute(route), undefined)).toBe(formatRoute(route));
    }
  });
});
