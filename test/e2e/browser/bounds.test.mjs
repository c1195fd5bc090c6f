// SPDX-License-Identifier: Apache-2.0

// Playback over what divides footage: days, years, changes of clocks, the wrap of the 33-bit clock of MPEG-TS, gaps, playlists.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { about, sleep } from './lib/chrome.mjs';
import { empty, push } from './lib/push.mjs';
import { until } from './lib/server.mjs';
import { keeps, plays, shownTime, site, visit } from './lib/visit.mjs';

const it = site();

/** A moment at which the time stamps of MPEG-TS begin anew: 2^33 / 90000 s after the last such one, counted from 1970. */
const wrap = (17900 * 2 ** 33) / 90;
const hour = 3600_000;
const utc = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

/** Each is crossed from 5 s before it until 3 s after it. */
const bounds = [
  ['a segment and a minute', Date.UTC(2024, 2, 5, 12, 1, 0), 'UTC'],
  ['a day and a month', Date.UTC(2024, 2, 1), 'UTC'],
  ['a year', Date.UTC(2024, 0, 1), 'UTC'],
  ['clocks that go forward', Date.UTC(2024, 2, 31, 1), 'Europe/Berlin'],
  ['clocks that go back', Date.UTC(2024, 9, 27, 1), 'Europe/Berlin'],
  ['the wrap of the 33-bit clock', wrap, 'UTC'],
];

describe('playback goes on without a stall over', { concurrency: 3 }, () => {
  const store = {};
  before(async () => {
    Object.assign(store, await empty({ after: (f) => { it.also = f; } })); // one server for all
    await Promise.all(bounds.map(([, at], i) => push({ after: () => {} }, store.store, `b${i}`, '--speed', 'max', '--start', utc(Math.floor((at - 10_000) / 1000) * 1000)).done));
  });

  bounds.forEach(([name, at, zone], i) => {
    test(name, async (t) => {
      const page = await visit(it, t, `${store.url}/#/nowhere`);
      await page.evaluate((z) => localStorage.setItem('s3cam.zone', z === 'UTC' ? 'utc' : z), zone);
      await page.goto(`${store.url}/#/play/b${i}/${utc(at - 5_000)}`);
      await page.reload();
      await plays(page);
      const shown = async () => {
        const text = await shownTime(page);
        const label = /\((.*)\)$/.exec(text)[1];
        const offset = /UTC([+-])(\d\d):(\d\d)/.exec(label);
        const ahead = offset === null ? 0 : (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000;
        return Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`) - ahead;
      };
      const from = Date.now();
      let last = await shown();
      while (last < at + 3_000) {
        const now = await shown();
        assert.ok(now >= last, `the shown time went back from ${utc(last)} to ${utc(now)}`);
        assert.ok(now - last < 3_500, `the shown time jumped from ${utc(last)} to ${utc(now)}`);
        assert.ok(Date.now() - from < 30_000, `stuck at ${utc(now)}`);
        last = now;
        await sleep(300);
      }
      assert.deepEqual((await about(page)).stalls, [], 'stalls');
      await page.keyboard.press('ArrowLeft'); // and back over it
      await until('back before it', async () => (await shown()) < at);
      await plays(page);
    });
  });
});

test('a stretch that ends leads into the next one', async (t) => {
  const { url, store } = await empty(t);
  const start = Date.UTC(2024, 2, 5, 1);
  await push(t, store, 'yard', '--speed', 'max', '--start', utc(start)).done;
  await push(t, store, 'yard', '--speed', 'max', '--start', utc(start + 6 * hour)).done; // the page opens six hours at a time
  const page = await visit(it, t, `${url}/#/play/yard/${utc(start + 10_000)}`);
  await page.locator('select.zone').selectOption('utc');
  await plays(page);
  await until('over the gap, to the end of the stretch and on', async () => /^2024-03-05 07:00:1[2-9]/.test(await shownTime(page)), 60_000);
  await plays(page);
});

test('a moment five years ago is one step away', async (t) => {
  const { url, store } = await empty(t);
  await push(t, store, 'yard', '--speed', 'max', '--start', '2019-06-01 00:00:00').done;
  await push(t, store, 'yard', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
  const page = await visit(it, t, `${url}/#/play/yard`);
  await plays(page);
  await page.keyboard.press('p');
  await page.keyboard.press('p');
  await until('in 2019', async () => /^2019-06-01 08:00:/.test(await shownTime(page)), 20_000);
  await plays(page);
  await keeps(page, 3);
});
