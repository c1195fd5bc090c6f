// SPDX-License-Identifier: Apache-2.0

// The end of a stretch: a replay is opened for six hours, and what comes after them must not be seen to be another playlist.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { about, sleep } from './lib/chrome.mjs';
import { empty, push, withSound } from './lib/push.mjs';
import { until } from './lib/server.mjs';
import { plays, shownTime, site, visit } from './lib/visit.mjs';
import { fill } from './lib/week.mjs';

const it = site();
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const opened = Date.UTC(2024, 2, 8, 4, 0, 0); // where the replay begins
const seam = opened + 6 * hour; // where its stretch ends
const utc = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
const secondsOf = (text) => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`);

/** recorded starts a server with footage around the begin and the end of the stretch, for each camera; more is [from, count]. */
async function recorded(t, cameras, more = []) {
  const { url, store, data } = await empty(t);
  const template = Date.UTC(2024, 2, 7, 0, 0, 0);
  for (const camera of cameras) {
    await push(t, store, camera, '--speed', 'max', '--start', utc(template), ...withSound).done;
    for (const [from, count] of [[opened, 60], [seam - 5 * minute, 260], ...more]) {
      fill(join(data, 'video'), camera, template + 3 * second, from, count, 3 * second);
    }
  }
  return url;
}

/** click clicks on a moment of the timeline. */
async function click(page, ms) {
  const bar = page.locator('.timeline');
  const box = await bar.boundingBox();
  const [from, to] = await bar.evaluate((e) => [Number(e.ariaValueMin), Number(e.ariaValueMax)]);
  await page.mouse.click(box.x + ((ms / 1000 - from) / (to - from)) * box.width, box.y + 20);
}

/** to brings the page to some seconds before the end of the stretch without leaving it. */
async function to(page, ms) {
  await page.getByLabel('Time that the timeline shows').selectOption({ label: '1 day' });
  await sleep(500);
  await click(page, seam - 4 * minute);
  const shown = async () => secondsOf(await shownTime(page));
  await until('close to the end', async () => Math.abs((await shown()) - (seam - 4 * minute)) < 90 * second);
  for (const [key, step] of [['Shift+ArrowRight', minute], ['ArrowRight', 10 * second]]) {
    for (let n = Math.floor((ms - (await shown())) / step); n > 0; n--) {
      await page.keyboard.press(key);
    }
    await sleep(600); // the time shown follows
  }
  assert.ok(Math.abs((await shown()) - ms) < 12 * second, await shownTime(page));
}

/** still returns for how many milliseconds a picture stood at most while f ran. */
async function still(t, page, f) {
  await page.evaluate(() => { window.s3camTest.still = 0; });
  await f();
  const ms = await page.evaluate(() => window.s3camTest.still);
  t.diagnostic(`a picture stood for ${Math.round(ms)} ms at most`);
  return ms;
}

/** past waits until a moment is shown that lies after one, and not far after it. */
const past = (page, ms, wait = 60_000) => until(`${utc(ms)} is shown`, async () => secondsOf(await shownTime(page)) > ms, wait);

describe('where a stretch ends', { concurrency: 1 }, () => {
  test('picture, sound, speed and volume go on, on a slow way to the server too', async (t) => {
    const url = await recorded(t, ['yard']);
    const page = await visit(it, t, `${url}/#/play/yard/${utc(opened)}`);
    await page.locator('select.zone').selectOption('utc');
    await plays(page);
    const client = await page.context().newCDPSession(page);
    await client.send('Network.emulateNetworkConditions', { offline: false, latency: 200, downloadThroughput: 1_000_000, uploadThroughput: 100_000 });
    await to(page, seam - 40 * second);
    await plays(page);
    await page.getByLabel('Speed').selectOption('2');
    await past(page, seam - 20 * second);
    const before = await about(page);
    assert.equal(before.muted, false);
    const ms = await still(t, page, () => past(page, seam + 15 * second));
    const after = await about(page);
    assert.deepEqual([after.rate, after.muted], [2, false], 'speed and sound');
    assert.ok(ms < 1000, `a picture stood for ${Math.round(ms)} ms`);
    assert.ok(after.audioBytes - before.audioBytes > 50_000, `${after.audioBytes - before.audioBytes} bytes of sound`);
    // Back over the seam is a seek within the same playlist, and what was muted stays so.
    await page.keyboard.press('m');
    await page.keyboard.press('Shift+ArrowLeft');
    await until('a minute back', async () => secondsOf(await shownTime(page)) < seam - 20 * second);
    await plays(page);
    await past(page, seam + 5 * second);
    assert.equal((await about(page)).muted, true);
  });

  test('a gap that is longer than a stretch is crossed as well', async (t) => {
    const later = seam + 30 * hour;
    const url = await recorded(t, ['yard'], [[later, 40]]);
    const page = await visit(it, t, `${url}/#/play/yard/${utc(opened)}`);
    await page.locator('select.zone').selectOption('utc');
    await plays(page);
    await to(page, seam - 40 * second);
    await page.getByLabel('Speed').selectOption('16');
    const ms = await still(t, page, () => past(page, later + 10 * second)); // what is recorded ends at 8 minutes after the seam
    assert.ok(ms < 2000, `a picture stood for ${Math.round(ms)} ms`);
    assert.ok(secondsOf(await shownTime(page)) < later + 2 * minute);
  });

  test('after an error beyond it, it goes on there', async (t) => {
    const url = await recorded(t, ['yard']);
    const page = await visit(it, t, `${url}/#/play/yard/${utc(opened)}`, { expected: /console/ });
    await page.locator('select.zone').selectOption('utc');
    await plays(page);
    await to(page, seam - 15 * second);
    await past(page, seam + 2 * second);
    await page.evaluate(() => document.querySelector('.video-js').player.error({ code: 3 }));
    await page.waitForSelector('.player[data-status=retrying]');
    await plays(page, 30_000);
    const shown = secondsOf(await shownTime(page));
    assert.ok(shown > seam && shown < seam + 2 * minute, utc(shown));
  });

  test('several cameras go on together', async (t) => {
    const url = await recorded(t, ['yard', 'gate']);
    const page = await visit(it, t, `${url}/#/sync/yard/gate/${utc(opened)}`);
    await page.locator('select.zone').selectOption('utc');
    await until('both play', () => page.evaluate(() => document.querySelectorAll('.tile .player[data-status=playing]').length === 2));
    await to(page, seam - 25 * second);
    await until('both play', () => page.evaluate(() => document.querySelectorAll('.tile .player[data-status=playing]').length === 2));
    await past(page, seam - 12 * second);
    const ms = await still(t, page, () => past(page, seam + 10 * second));
    assert.ok(ms < 1500, `a picture stood for ${Math.round(ms)} ms`);
    const frames = await page.evaluate(() => [...document.querySelectorAll('video')].map((v) => v.getVideoPlaybackQuality().totalVideoFrames));
    await past(page, seam + 14 * second);
    const later = await page.evaluate(() => [...document.querySelectorAll('video')].map((v) => v.getVideoPlaybackQuality().totalVideoFrames));
    assert.ok(later.every((n, i) => n > frames[i] + 15), `${frames} then ${later} pictures`);
  });

  test('a replay that catches up with now becomes live', async (t) => {
    const now = Math.floor(Date.now() / 1000) * 1000;
    const end = now - 2 * minute;
    const { url, store, data } = await empty(t);
    const template = Date.UTC(2024, 2, 7, 0, 0, 0);
    await push(t, store, 'yard', '--speed', 'max', '--start', utc(template), ...withSound).done;
    const base = end - 6 * hour;
    fill(join(data, 'video'), 'yard', template + 3 * second, base, 40, 3 * second);
    fill(join(data, 'video'), 'yard', template + 3 * second, end - 5 * minute, Math.floor((7 * minute) / 3000) + 60, 3 * second); // three minutes ahead of now
    const page = await visit(it, t, `${url}/#/play/yard/${utc(base)}`, { expected: /404|VIDEOJS/ });
    await page.locator('select.zone').selectOption('utc');
    await plays(page);
    const span = page.getByLabel('Time that the timeline shows');
    await span.selectOption({ label: '1 day' });
    await sleep(500);
    await click(page, end - 2 * minute);
    await past(page, end - 4 * minute);
    await page.getByLabel('Speed').selectOption('16');
    await past(page, end + 30 * second);
    await until('live', () => /#\/live\/yard/.test(page.url()), 60_000);
    await plays(page);
    assert.equal((await about(page)).muted, false, 'it can be heard as before');
  });
});
