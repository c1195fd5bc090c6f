// SPDX-License-Identifier: Apache-2.0

// Pictures of every view on a phone and on a desk, light and dark, in both languages: to be looked at, not compared.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { launch, open, sleep } from './lib/chrome.mjs';
import { empty } from './lib/push.mjs';
import { demo, footage } from './lib/server.mjs';

const dir = process.env.S3CAM_TEST_SCREENSHOTS;

test('screenshots of the views at 390 px and 1440 px', { skip: !dir && 'S3CAM_TEST_SCREENSHOTS is not set' }, async (t) => {
  const [url, { url: fresh }] = [await demo(t), await empty(t)];
  const browser = await launch(t);
  await footage(url, 'front-door', 2);
  const playing = (page) => page.waitForSelector('.player[data-status=playing]', { timeout: 30_000 });
  const views = [
    ['wall', `${url}/#/`, (page) => page.waitForFunction(() => document.querySelectorAll('.tile .player[data-status=playing]').length > 0)],
    ['wall-empty', `${fresh}/#/`, (page) => page.waitForSelector('.notice pre')],
    ['live', `${url}/#/live/front-door`, playing, true],
    ['live-nothing', `${fresh}/#/live/garden`, (page) => page.waitForSelector('.player[data-status=retrying]')],
    ['together', `${url}/#/sync/front-door/workshop/demo`, (page) => page.waitForFunction(() => document.querySelectorAll('.tile .player[data-status=playing]').length > 1)],
    ['replay', `${url}/#/play/demo/2021-01-01 00:00:05?end=2021-01-01 00:05:00`, playing, true],
    ['replay-end', `${url}/#/play/demo/2021-01-01 00:00:00?end=2021-01-01 00:00:03`,
      (page) => page.waitForSelector('.player[data-status=ended]', { timeout: 30_000 })],
    ['replay-nothing', `${url}/#/play/demo/2022-01-01 00:00:00`, (page) => page.waitForSelector('.player[data-status=failed]')],
    ['unknown', `${url}/#/nowhere`, (page) => page.waitForSelector('.notice')],
  ];
  const looks = [
    { width: 1440, height: 900, colorScheme: 'light', locale: 'en-GB' },
    { width: 390, height: 844, colorScheme: 'dark', locale: 'zh-CN' },
    { width: 390, height: 844, colorScheme: 'light', locale: 'en-GB' },
    { width: 1440, height: 900, colorScheme: 'dark', locale: 'zh-CN' },
  ];
  await Promise.all(looks.map(async ({ width, height, colorScheme, locale }) => {
    for (const [name, address, ready, controls] of views) {
      const { page, close } = await open(browser, { viewport: { width, height }, colorScheme, locale });
      await page.goto(address);
      await ready(page);
      await sleep(700);
      if (controls) { // the control bar shows while the pointer moves over the picture
        const box = await page.locator('.player').boundingBox();
        await page.mouse.move(box.x + box.width / 2, box.y + box.height / 3);
        await page.mouse.move(box.x + box.width / 2 + 9, box.y + box.height / 3);
        await sleep(300);
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${name} at ${width} px is ${wide} px too wide`);
      await page.screenshot({ path: join(dir, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      await close();
    }
  }));
  t.diagnostic(`${looks.length * views.length} pictures in ${dir}`);
});
