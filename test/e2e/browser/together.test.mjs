// SPDX-License-Identifier: Apache-2.0

// Several cameras on one timeline: what all of them lack is crossed, and days and recordings of any of them are found.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { empty, push } from './lib/push.mjs';
import { until } from './lib/server.mjs';
import { shownTime, site, visit } from './lib/visit.mjs';

const it = site();
const moving = (page) => page.evaluate(() => [...document.querySelectorAll('.tile')].map((tile) =>
  tile.querySelector('.absent').hidden && tile.querySelector('.player').dataset.status === 'playing'));

describe('several cameras together', { concurrency: 1 }, () => {
  test('cross what all of them lack, and show who has nothing', async (t) => {
    const { url, store } = await empty(t);
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    await push(t, store, 'gate', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    await push(t, store, 'gate', '--speed', 'max', '--start', '2024-03-02 08:00:00').done; // the first after the gap is gate's
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-03-05 09:00:00').done;
    const page = await visit(it, t, `${url}/#/sync/yard/gate/2024-02-29 12:00:10`);
    await page.locator('header select.zone').selectOption('utc');
    await until('both play', async () => (await moving(page)).every(Boolean));
    await until('after the gap of both', async () => /^2024-03-02 08:00:\d\d/.test(await shownTime(page)), 60_000);
    await until('gate plays alone', async () => (await moving(page)).join() === 'false,true');
    await page.getByText('Nothing was recorded at this time').first().waitFor();
    await page.getByRole('button', { name: 'Next recording' }).click();
    await until('the next of any', async () => /^2024-03-05 09:00:\d\d/.test(await shownTime(page)));
    await until('yard plays alone', async () => (await moving(page)).join() === 'true,false');
  });

  test('the calendar marks the days of any of them and leads there', async (t) => {
    const { url, store } = await empty(t);
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-03-05 12:00:00').done;
    await push(t, store, 'gate', '--speed', 'max', '--start', '2024-03-09 12:00:00').done;
    const page = await visit(it, t, `${url}/#/sync/yard/gate/2024-03-05 12:00:02`);
    await page.locator('header select.zone').selectOption('utc');
    await until('days', async () => (await page.locator('.day.has').allTextContents()).join() === '5,9');
    await page.getByRole('button', { name: '9 March 2024, with footage' }).click();
    await until('that day', async () => /^2024-03-09 12:00:\d\d/.test(await shownTime(page)));
    await until('gate plays', async () => (await moving(page))[1]);
    await page.getByRole('button', { name: 'Previous recording' }).click();
    await until('a recording before', async () => /^2024-03-0[59] 12:00:\d\d/.test(await shownTime(page)));
  });
});
