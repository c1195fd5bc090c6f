// SPDX-License-Identifier: Apache-2.0

// Clips that the page makes itself, where the API makes none, as in the AWS deployment: the site on one origin, the API on another,
// the segments behind redirects on a third. ffmpeg judges the file.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { elsewhere } from './lib/elsewhere.mjs';
import { empty, push, withSound } from './lib/push.mjs';
import { until } from './lib/server.mjs';
import { plays, shownTime, site, visit } from './lib/visit.mjs';

const it = site();
const run = promisify(execFile);

/** opened starts everything and opens a camera with 20 s of footage, 40 s of none, and 20 s again. */
async function opened(t, options) {
  const pages = await elsewhere(t);
  const { url: api, store } = await empty(t, '--cors-origin', pages.origin, '--delivery', 'redirect');
  await pages.serve(it.url, api, [store], { clips: false });
  for (const start of ['2024-02-29 12:00:00', '2024-02-29 12:01:00']) {
    await push(t, store, '门/gate', '--speed', 'max', '--start', start, ...withSound).done;
  }
  const page = await visit(it, t, `${pages.origin}/cams/#/play/${encodeURIComponent('门/gate')}/2024-02-29 12:00:04`, { allow: [api, store], ...options });
  await page.locator('select.zone').selectOption('utc');
  await plays(page);
  return page;
}

/** mark marks from about 12:00:05 to about 12:01:06. */
async function mark(page) {
  await page.keyboard.press('i');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Shift+ArrowRight'); // into the gap or beyond: what comes after it is shown
  await until('beyond the gap', async () => /12:01:/.test(await shownTime(page)));
  await plays(page);
  await page.keyboard.press('o');
}

describe('where the API makes no clips', { concurrency: 1 }, () => {
  test('the page puts a TS together: whole segments in order, gaps named, and every picture decodes', async (t) => {
    const page = await opened(t);
    await mark(page);
    const note = page.locator('.own-clip .detail');
    await until('what it would hold', async () => /taken whole/.test(await note.textContent()));
    const [, from, to, segments] = /from (\S+ \S+) to (\S+ \S+), (\d+) segments, \d\.\d MB/.exec(await note.textContent()) ?? [];
    assert.match(from, /^2024-02-29 12:00:0[369]$/, 'the begin of a segment');
    assert.match(to, /^2024-02-29 12:01:/);
    assert.match(await note.textContent(), /1 gap without footage: 12:00:20–12:01:00\./);
    assert.equal(await page.getByRole('button', { name: 'Save as MP4' }).count(), 0);
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as TS' }).click()]);
    const length = Math.round((Date.parse(`${to.replace(' ', 'T')}Z`) - Date.parse(`${from.replace(' ', 'T')}Z`)) / 1000);
    assert.match(file.suggestedFilename(), /^门-gate_2024-02-29T12-00-0[369]Z_\d+s\.ts$/);
    assert.ok(Math.abs(Number(/_(\d+)s\.ts$/.exec(file.suggestedFilename())[1]) - length) <= 1);
    await page.getByText(/^Saved, /).waitFor();
    const path = await file.path();
    const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', path, '-f', 'null', '-']);
    assert.equal(stderr, '', 'ffmpeg complained');
    const { stdout } = await run('ffprobe', ['-v', 'error', '-count_frames', '-select_streams', 'v', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', path]);
    const frames = Number(stdout.split(/\s/)[0].replace(',', ''));
    // 15 pictures a second in segments of 3 s; the last one of each recording has 2 s.
    assert.ok(frames % 15 === 0 && frames >= (segments - 1) * 45 - 15 && frames <= segments * 45, `${frames} pictures in ${segments} segments`);
    t.diagnostic(`${segments} segments, ${frames} pictures`);
  });

  test('a segment that fails is asked for again, and one that stays away is named: no shorter file is saved', async (t) => {
    const page = await opened(t, { expected: /request|console/ });
    await mark(page);
    await until('what it would hold', async () => /taken whole/.test(await page.locator('.own-clip .detail').textContent()));
    let downloads = 0;
    page.on('download', () => downloads++);
    await page.route(/segments\/.*12\/00\/15\.ts/, (route) => route.abort('connectionrefused'));
    await page.getByRole('button', { name: 'Save as TS' }).click();
    await page.getByText('The segment of 2024-02-29 12:00:15 could not be had, so no file was saved.').waitFor({ timeout: 30_000 });
    assert.equal(downloads, 0);
    await page.unroute(/segments\/.*12\/00\/15\.ts/);
    let failed = 0;
    await page.route(/segments\/.*12\/00\/12\.ts/, (route) => (failed++ < 2 ? route.abort('connectionrefused') : route.continue()));
    const [file] = await Promise.all([page.waitForEvent('download', { timeout: 30_000 }), page.getByRole('button', { name: 'Save as TS' }).click()]);
    assert.ok(failed >= 3, 'it was asked for again');
    const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', await file.path(), '-f', 'null', '-']);
    assert.equal(stderr, '');
  });

  test('a large one goes to the disk as it comes, and one that fails leaves nothing there', async (t) => {
    const page = await opened(t, { expected: /request|console/ });
    await page.evaluate(() => {
      const disk = window.disk = { name: '', bytes: 0, end: '' };
      window.showSaveFilePicker = async ({ suggestedName }) => {
        Object.assign(disk, { name: suggestedName, bytes: 0, end: '' });
        return { createWritable: async () => ({
          write: async (part) => { disk.bytes += part.length; },
          close: async () => { disk.end = 'closed'; },
          abort: async () => { disk.end = 'aborted'; },
        }) };
      };
    });
    let stored = 0;
    await page.route(/coverage\?.*resolution=exact&start/, async (route) => { // what a longer piece would say
      const reply = await route.fetch();
      const json = await reply.json();
      stored = json.ranges.reduce((sum, r) => sum + r.bytes, 0);
      json.ranges[0].bytes += 400e6;
      await route.fulfill({ response: reply, json });
    });
    await mark(page);
    await until('what it would hold', async () => /40\d\.\d MB/.test(await page.locator('.own-clip .detail').textContent()));
    await page.getByRole('button', { name: 'Save as TS' }).click();
    await page.getByText(/^Saved, 0\.\d MB/).waitFor();
    const disk = () => page.evaluate(() => window.disk);
    const { name, bytes, end } = await disk();
    assert.match(name, /^门-gate_2024-02-29T12-00-0[369]Z_\d+s\.ts$/);
    assert.deepEqual([bytes, end], [stored, 'closed'], 'every byte that the store has of these segments');
    await page.route(/segments\/.*12\/00\/15\.ts/, (route) => route.abort('connectionrefused'));
    await page.getByRole('button', { name: 'Save as TS' }).click();
    await page.getByText('could not be had, so no file was saved').waitFor({ timeout: 30_000 });
    assert.equal((await disk()).end, 'aborted');
  });

  test('it can be called off', async (t) => {
    const page = await opened(t);
    await mark(page);
    await until('what it would hold', async () => /taken whole/.test(await page.locator('.own-clip .detail').textContent()));
    await page.route(/segments\/.*12\/00\/15\.ts/, () => {}); // never answered
    await page.getByRole('button', { name: 'Save as TS' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled.').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Save as TS' }).isEnabled(), true);
  });
});
