// SPDX-License-Identifier: Apache-2.0

/** Decoding of the API's replies. Nothing from the network is used before it went through here. */

import { parseInstant } from './time';

/** One camera of /cameras. last is when its newest segment began; undefined when it has no footage. */
export interface Camera {
  id: string;
  last: number | undefined;
  live: boolean;
}

/** One recorded stretch of /coverage. */
export interface Range {
  start: number;
  end: number;
  segments: number;
  bytes: number;
}

/** How finely the server looks: at each segment, or at the folders of minutes, hours or days. */
export type Resolution = 'exact' | 'minute' | 'hour' | 'day';

/** The sizes of what was recorded, one after the other from start on: what is as long as step, or as each of durations (ms). */
export interface Sizes {
  start: number;
  step: number;
  durations: readonly number[];
  bytes: readonly number[];
}

/** What is recorded in a stretch of time, and, where it was asked for, how much it is. */
export interface Coverage {
  ranges: readonly Range[];
  sizes: readonly Sizes[];
}

/** config.json beside the page. */
export interface SiteConfig {
  /** where the API is; '' = beside the page itself */
  apiBase: string;
  /** where to sign in, absolute or relative to the page; undefined: the server has no page for that */
  login: string | undefined;
  /** the time zone of every camera that zones does not name, an IANA name; undefined: not known */
  zone: string | undefined;
  /** time zones by camera */
  zones: ReadonlyMap<string, string>;
  /** whether the API makes clips */
  clips: boolean;
}

/** Who is asking, as GET /session says. */
export interface Session {
  /** nobody has to log in */
  open: boolean;
  /** '' when open, and for one who has a link only */
  name: string;
  admin: boolean;
  /** ids, beginnings as yard/*, or * */
  cameras: readonly string[];
  /** may make links */
  share: boolean;
}

/** A link that the server has made. */
export interface Shared {
  token: string;
  /** id of the key that signed it: taking that away ends the link */
  key: string;
  /** ms since the epoch */
  expires: number;
}

export interface APIError {
  code: string;
  message: string;
}

/** A reply that is not what it should be; the message says where. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

type Fields = Readonly<Record<string, unknown>>;

function fields(v: unknown, where: string): Fields {
  if (typeof v !== 'object' || v === null || Array.isArray(v)) {
    throw new DecodeError(`${where} is not an object`);
  }
  return v as Fields; // an object: reading any name of it is sound, the values stay unknown
}

function list(v: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(v)) {
    throw new DecodeError(`${where} is not a list`);
  }
  return v;
}

function text(v: unknown, where: string): string {
  if (typeof v !== 'string') {
    throw new DecodeError(`${where} is not a string`);
  }
  return v;
}

function count(v: unknown, where: string): number {
  if (typeof v !== 'number' || !Number.isFinite(v) || v < 0) {
    throw new DecodeError(`${where} is not a number of things`);
  }
  return v;
}

function instant(v: unknown, where: string): number {
  const ms = parseInstant(text(v, where));
  if (ms === undefined) {
    throw new DecodeError(`${where} is not a time`);
  }
  return ms;
}

export function decodeConfig(v: unknown): SiteConfig {
  const o = fields(v, 'config');
  const optional = (name: string): string | undefined => (o[name] === undefined ? undefined : text(o[name], name));
  const zones = o['zones'] === undefined ? {} : fields(o['zones'], 'zones');
  return {
    apiBase: text(o['apiBase'], 'apiBase'),
    login: optional('login'),
    zone: optional('zone'),
    zones: new Map(Object.entries(zones).map(([camera, zone]) => [camera, text(zone, `zones[${camera}]`)])),
    clips: o['clips'] !== false,
  };
}

export function decodeSession(v: unknown): Session {
  const o = fields(v, 'session');
  return {
    open: o['open'] === true,
    name: o['name'] === undefined ? '' : text(o['name'], 'name'),
    admin: o['role'] === 'admin',
    cameras: o['cameras'] === undefined || o['cameras'] === null ? [] : list(o['cameras'], 'cameras').map((c, i) => text(c, `cameras[${i}]`)),
    share: o['share'] === true,
  };
}

export function decodeShared(v: unknown): Shared {
  const o = fields(v, 'reply');
  return { token: text(o['token'], 'token'), key: text(o['key'], 'key'), expires: instant(o['expires'], 'expires') };
}

export function decodeCameras(v: unknown): Camera[] {
  return list(fields(v, 'reply')['cameras'], 'cameras').map((item, i) => {
    const where = `cameras[${i}]`;
    const o = fields(item, where);
    const last = o['last'];
    return {
      id: text(o['id'], `${where}.id`),
      last: last === null || last === undefined ? undefined : instant(last, `${where}.last`),
      live: o['live'] === true,
    };
  });
}

export function decodeCoverage(v: unknown): Coverage {
  const sizes: Sizes[] = [];
  const ranges = list(fields(v, 'reply')['ranges'], 'ranges').map((item, i) => {
    const where = `ranges[${i}]`;
    const o = fields(item, where);
    const r: Range = {
      start: instant(o['start'], `${where}.start`),
      end: instant(o['end'], `${where}.end`),
      segments: count(o['segments'], `${where}.segments`),
      bytes: count(o['bytes'], `${where}.bytes`),
    };
    if (r.end < r.start) {
      throw new DecodeError(`${where} ends before it starts`);
    }
    if (o['activity'] !== undefined) {
      sizes.push(decodeSizes(o['activity'], `${where}.activity`));
    }
    return r;
  });
  return { ranges, sizes };
}

function decodeSizes(v: unknown, where: string): Sizes {
  const o = fields(v, where);
  const numbers = (name: string): number[] =>
    o[name] === undefined ? [] : list(o[name], `${where}.${name}`).map((n, i) => count(n, `${where}.${name}[${i}]`));
  const s: Sizes = {
    start: instant(o['start'], `${where}.start`),
    step: o['step'] === undefined ? 0 : count(o['step'], `${where}.step`) * 1000,
    durations: numbers('durations'),
    bytes: numbers('bytes'),
  };
  if (s.step === 0 && s.durations.length !== s.bytes.length) {
    throw new DecodeError(`${where} has ${s.bytes.length} sizes and ${s.durations.length} durations`);
  }
  return s;
}

/** decodeError reads {"error":{"code","message"}}; undefined when the body is something else (a proxy's page). */
export function decodeError(v: unknown): APIError | undefined {
  try {
    const e = fields(fields(v, 'reply')['error'], 'error');
    return { code: text(e['code'], 'code'), message: text(e['message'], 'message') };
  } catch {
    return undefined;
  }
}
