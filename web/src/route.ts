// SPDX-License-Identifier: Apache-2.0

/**
 * The addresses of the pages. They live behind the '#', so that one static file serves them all:
 *
 *     #/                                                  cameras
 *     #/sync/<camera>/<camera>...[/<time>]                several cameras on one timeline
 *     #/live/<camera>                                     live view
 *     #/play/<camera>                                     replay, nothing chosen yet
 *     #/play/<camera>/<YYYY-MM-DD HH:MM:SS>               replay from that time (UTC), as the original site's links
 *     #/play/<camera>/<time>?end=<time>                   replay of a range
 *     #/play/<camera>/<time>?end=open                     replay that goes on into live
 *
 * Each may carry the token of a link, ?token=<token> or &token=<token>: what stands behind the '#' reaches no server and no log. The
 * page takes it out of the address bar at once.
 *
 * A camera's id is percent-encoded as one path element; a bare '/' inside it is understood as well.
 */

import { formatDateTime, parseInstant } from './time';

export type Route =
  | { view: 'cameras' }
  | { view: 'live'; camera: string }
  | { view: 'play'; camera: string; start?: number; end?: number | 'open' }
  | { view: 'sync'; cameras: string[]; start?: number }
  | { view: 'unknown' };

function decode(element: string): string {
  try {
    return decodeURIComponent(element);
  } catch {
    return element; // a lone '%' typed by hand
  }
}

/** parseRoute reads location.hash. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#?\/?/, '');
  const mark = text.indexOf('?');
  const path = mark < 0 ? text : text.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1));
  const elements = path.split('/').filter((e) => e !== '').map(decode);
  const view = elements.shift();
  if (view === undefined) {
    return { view: 'cameras' };
  }
  if (elements.length === 0) {
    return { view: 'unknown' };
  }
  if (view === 'live') {
    return { view: 'live', camera: elements.join('/') };
  }
  if (view === 'sync') {
    const last = elements.length > 1 ? parseInstant(elements[elements.length - 1] ?? '') : undefined;
    return last === undefined
      ? { view: 'sync', cameras: elements }
      : { view: 'sync', cameras: elements.slice(0, -1), start: last };
  }
  if (view !== 'play') {
    return { view: 'unknown' };
  }
  const start = elements.length > 1 ? parseInstant(elements[elements.length - 1] ?? '') : undefined;
  if (start === undefined) {
    return { view: 'play', camera: elements.join('/') };
  }
  const route: Route = { view: 'play', camera: elements.slice(0, -1).join('/'), start };
  const end = query.get('end');
  if (end === 'open') {
    route.end = 'open';
  } else if (end !== null) {
    const ms = parseInstant(end);
    if (ms !== undefined && ms > start) {
      route.end = ms;
    }
  }
  return route;
}

/** formatRoute is the inverse of parseRoute, with the '#'. Times are written to the second. */
export function formatRoute(route: Route): string {
  switch (route.view) {
    case 'cameras':
    case 'unknown':
      return '#/';
    case 'live':
      return `#/live/${encodeURIComponent(route.camera)}`;
    case 'sync': {
      const time = route.start === undefined ? '' : `/${formatDateTime(route.start, 'UTC').replace(' ', '%20')}`;
      return `#/sync/${route.cameras.map(encodeURIComponent).join('/')}${time}`;
    }
    case 'play': {
      let s = `#/play/${encodeURIComponent(route.camera)}`;
      if (route.start !== undefined) {
        s += `/${formatDateTime(route.start, 'UTC').replace(' ', '%20')}`;
        if (route.end !== undefined) {
          s += `?end=${route.end === 'open' ? 'open' : formatDateTime(route.end, 'UTC').replace(' ', '%20')}`;
        }
      }
      return s;
    }
  }
}

/** takeToken separates the token of a link from an address; undefined: it has none. What else the address says stays as it is. Pure. */
export function takeToken(hash: string): { hash: string; token: string | undefined } {
  const mark = hash.indexOf('?');
  if (mark < 0) {
    return { hash, token: undefined };
  }
  const pairs = hash.slice(mark + 1).split('&');
  const token = pairs.find((p) => p.startsWith('token='))?.slice('token='.length);
  if (token === undefined) {
    return { hash, token };
  }
  const rest = pairs.filter((p) => !p.startsWith('token=')).join('&');
  return { hash: hash.slice(0, mark) + (rest === '' ? '' : `?${rest}`), token };
}

/** withToken is the inverse of takeToken. */
export function withToken(hash: string, token: string | undefined): string {
  return token === undefined ? hash : `${hash}${hash.includes('?') ? '&' : '?'}token=${token}`;
}

/** setAddress puts what is shown into the address bar, without a new entry in the history. */
export function setAddress(hash: string): void {
  try {
    history.replaceState(null, '', hash);
  } catch {
    // Safari allows so many of them in half a minute; the next one will do
  }
}
