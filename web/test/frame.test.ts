// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Connection } from '../src/connection';
import { decodeConfig } from '../src/decode';
import { en } from '../src/i18n/en';
import { zh } from '../src/i18n/zh';
import { PicturePace } from '../src/player/pace';
import { correction } from '../src/player/together';
import { Settings } from '../src/settings';
import { keyName, pressedName } from '../src/views/shortcuts';

describe('the connection', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const made = (ping: (c: Connection) => void): { c: Connection; states: string[]; back: () => number } => {
    const c: Connection = new Connection(async () => ping(c));
    const states: string[] = [];
    let times = 0;
    c.onChange(() => states.push(c.state));
    c.onBack(() => { times++; }, new AbortController().signal);
    return { c, states, back: () => times };
  };

  test('is not said to be gone for one failure', async () => {
    const { c, states } = made((x) => x.heard());
    c.lost();
    expect(c.state).toBe('ok');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(states).toEqual([]);
  });

  test('that is gone is asked for until it is back, and that is told once', async () => {
    let away = true;
    const { c, states, back } = made((x) => (away ? x.lost() : x.heard()));
    c.lost();
    await vi.advanceTimersByTimeAsync(1_100);
    expect(c.state).toBe('server');
    await vi.advanceTimersByTimeAsync(20_000);
    away = false;
    await vi.advanceTimersByTimeAsync(3_100);
    expect(states).toEqual(['server', 'ok']);
    expect(back()).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(back()).toBe(1);
  });

  test('of an expired session is looked at again when the viewer comes back', async () => {
    let signedIn = false;
    const { c, back } = made((x) => (signedIn ? x.heard() : x.denied('login_required')));
    c.denied('login_required');
    expect(c.state).toBe('expired');
    c.look();
    await vi.advanceTimersByTimeAsync(0);
    expect(c.state).toBe('expired');
    signedIn = true;
    c.look();
    await vi.advanceTimersByTimeAsync(0);
    expect([c.state, back()]).toEqual(['ok', 1]);
  });

  test('is the browser\'s affair while that is offline', () => {
    const { c, states } = made((x) => x.heard());
    c.online = false;
    expect(c.state).toBe('browser');
    c.online = true;
    expect(states).toEqual(['browser', 'ok']);
  });
});

describe('config.json', () => {
  test('may say no more than where the API is', () => {
    expect(decodeConfig({ apiBase: '' })).toEqual({ apiBase: '', login: undefined, zone: undefined, zones: new Map(), clips: true });
    expect(decodeConfig({ apiBase: '', clips: false }).clips).toBe(false);
  });
  test('names zones and where to sign in', () => {
    const c = decodeConfig({ apiBase: 'https://a', login: 'login', zone: 'Asia/Shanghai', zones: { gate: 'Europe/Berlin' } });
    expect([c.login, c.zone, c.zones.get('gate')]).toEqual(['login', 'Asia/Shanghai', 'Europe/Berlin']);
  });
  test.each([[{ apiBase: '', zones: [] }, 'zones is not an object'], [{ apiBase: '', zones: { a: 1 } }, 'zones[a] is not a string']])(
    'that is wrong says where', (v, message) => expect(() => decodeConfig(v)).toThrow(message));
});

describe('zones', () => {
  test('of cameras are what config.json says, as far as the browser knows them', () => {
    const s = new Settings(['en']);
    expect(s.knowsCameraZones).toBe(false);
    s.cameraZones = { zone: 'Asia/Shanghai', zones: new Map([['gate', 'Europe/Berlin'], ['mars', 'Mars/Olympus']]) };
    s.zoneChoice = 'camera';
    const july = Date.UTC(2026, 6, 1);
    s.camera = 'gate';
    expect([s.zone, s.zoneLabel(july)]).toEqual(['Europe/Berlin', 'Europe/Berlin, UTC+02:00']);
    s.camera = 'mars';
    expect(s.zone).toBe('Asia/Shanghai');
    s.camera = undefined;
    expect(s.zone).toBe('Asia/Shanghai');
    s.zoneChoice = 'America/St_Johns';
    expect(s.zoneLabel(july)).toBe('America/St_Johns, UTC-02:30');
    s.zoneChoice = 'utc';
    expect(s.zoneLabel(july)).toBe('UTC');
  });
});

describe('keys', () => {
  test('have names to read', () => {
    expect(['+', '-', 'i', 'ArrowLeft', 'Shift+ArrowLeft', ' ', 'PageUp'].map(keyName)).toEqual(['+', '-', 'I', '←', 'Shift ←', '␣', 'Page ↑']);
  });
  test('are the same with caps lock, and other ones with shift', () => {
    expect(pressedName({ key: 'I', shiftKey: false })).toBe('i');
    expect(pressedName({ key: 'ArrowLeft', shiftKey: true })).toBe('Shift+ArrowLeft');
    expect(pressedName({ key: '.', shiftKey: false })).toBe('.');
  });
});

describe('cameras in step', () => {
  test.each([[0, 1], [100, 1], [-100, 1], [400, 1.1], [-400, 0.9], [5000, 1.25], [-5000, 0.75]])('%d ms behind play %d times as fast', (behind, rate) =>
    expect(correction(behind)).toBeCloseTo(rate, 5));
});

describe('the pace of pictures', () => {
  test('is learned from what is shown, although some pictures are not', () => {
    const pace = new PicturePace();
    expect(pace.seconds).toBeCloseTo(1 / 25);
    let at = 10;
    for (let i = 0; i < 40; i++) {
      at += i % 3 === 0 ? 2 / 15 : 1 / 15;
      pace.shown(at);
    }
    pace.shown(500); // a seek
    pace.shown(500);
    expect(pace.seconds).toBeCloseTo(1 / 15);
  });
});

describe('texts', () => {
  const sources = import.meta.glob<string>('../src/**/*.ts', { query: '?raw', import: 'default', eager: true });
  const code = Object.entries(sources).filter(([path]) => !path.includes('/i18n/')).map(([, text]) => text).join('\n');

  test('are all used somewhere', () => {
    expect(Object.keys(en).filter((k) => !new RegExp(`\\b(t|t\\(\\))\\.${k}\\b`).test(code))).toEqual([]);
  });
  test('are translated: none is the same in both languages', () => {
    const same = Object.keys(en).filter((k) => {
      const [a, b] = [en[k as keyof typeof en], zh[k as keyof typeof zh]];
      return typeof a === 'string' && a === b;
    });
    expect(same).toEqual([]);
  });
});
