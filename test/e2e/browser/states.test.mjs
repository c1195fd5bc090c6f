// SPDX-License-Identifier: Apache-2.0

// What is not the sunny day: networks and servers that go away, sessions that end, browsers that lack something, impatient hands.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { about, sleep } from './lib/chrome.mjs';
import { empty, push } from './lib/push.mjs';
import { footage, until } from './lib/server.mjs';
import { elsewhere } from './lib/elsewhere.mjs';
import { keeps, plays, shownTime, site, visit } from './lib/visit.mjs';

const it = site();
const dir = process.env.S3CAM_TEST_SCREENSHOTS;

/** pictures takes the page as it is on a phone and on a desk, light and dark, in both languages: to be looked at. */
async function pictures(page, name) {
  if (!dir) {
    return;
  }
  for (const [width, theme, language] of [[1440, 'light', 'en'], [390, 'dark', 'zh']]) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await page.emulateMedia({ colorScheme: theme });
    await page.locator('select.language').selectOption(language);
    await sleep(200);
    await page.screenshot({ path: join(dir, `${name}-${width}-${theme}.png`) });
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.locator('select.language').selectOption('en');
}

describe('the way to the server', { concurrency: 2 }, () => {
  test('that is gone is told above every page, and it goes on by itself when it is back', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:00:30`, { expected: /request|console/ });
    await plays(page);
    await page.context().setOffline(true);
    await page.getByText('This computer is offline').waitFor();
    await pictures(page, 'offline');
    await page.context().setOffline(false);
    await page.getByText('This computer is offline').waitFor({ state: 'hidden' });
    await page.route('**/*', (route) => route.abort('connectionrefused'));
    await page.getByRole('button', { name: '10 seconds on' }).click();
    await page.getByLabel('Time that the timeline shows').selectOption({ label: '7 days' });
    await page.getByText('The server does not answer').waitFor({ timeout: 30_000 });
    await pictures(page, 'server-away');
    await page.unroute('**/*');
    await page.getByText('The server does not answer').waitFor({ state: 'hidden', timeout: 15_000 });
    await plays(page);
    await until('the bar knows what is recorded', () => page.evaluate(() => document.querySelector('.stale:not([hidden])') === null));
  });

  test('that is slow shows what it is doing, and what is asked for last wins', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:00:30`);
    await plays(page);
    const client = await page.context().newCDPSession(page);
    await client.send('Network.emulateNetworkConditions', { offline: false, latency: 700, downloadThroughput: 120_000, uploadThroughput: 60_000 });
    // It may be there for a moment only, between two keys.
    await page.evaluate(() => {
      const look = () => { window.saidSo ||= document.querySelector('.message.quiet') !== null; };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
    });
    for (const key of ['ArrowRight', 'ArrowRight', 'Shift+ArrowRight', 'ArrowLeft', 'Shift+ArrowRight']) {
      await page.keyboard.press(key);
    }
    await until('it says that it waits', () => page.evaluate(() => window.saidSo === true));
    await client.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await plays(page, 30_000);
    assert.match(await shownTime(page), /08:02:(4|5)\d|08:03:/, '30 + 20 + 60 - 10 + 60 s');
  });
});

describe('who may see it', { concurrency: 2 }, () => {
  const refuse = (status) => (route) => route.fulfill({
    status, contentType: 'application/json', body: '{"error":{"code":"unauthorized","message":"the session has ended"}}',
  });

  test('a session that ended is told, with a way to sign in where there is one, and it goes on after that', async (t) => {
    const page = await visit(it, t, `${it.url}/#/`, { expected: /401|Failed to load/ });
    await page.route('**/config.json', (route) => route.fulfill({ json: { apiBase: '', login: 'login' } }));
    await page.reload();
    await page.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 });
    await page.route(/\/(cameras|coverage|playlist|replay)/, refuse(401));
    await page.getByText('Your session has ended').first().waitFor();
    assert.equal(new URL(await page.getByRole('link', { name: 'Sign in' }).evaluate((a) => a.href)).pathname, '/login');
    assert.equal(await page.locator('.tile').count(), 3, 'what is known stays');
    await pictures(page, 'session-ended');
    await page.unroute(/\/(cameras|coverage|playlist|replay)/);
    await page.evaluate(() => dispatchEvent(new Event('focus'))); // back from the page to sign in on
    await page.getByText('Your session has ended').first().waitFor({ state: 'hidden' });
    await page.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 });
  });

  test('without such a page there is no link, and a camera that is not allowed is said to be so', async (t) => {
    const page = await visit(it, t, `${it.url}/#/nowhere`, { expected: /40[13]|Failed to load/ });
    await page.route('**/config.json', (route) => route.fulfill({ json: { apiBase: '' } }));
    await page.reload();
    await page.waitForSelector('.notice');
    await page.route(/\/(coverage|playlist|replay|cameras)/, refuse(403));
    await page.goto(`${it.url}/#/live/front-door`);
    await page.getByText('You are not allowed to see this.').first().waitFor();
    await page.unroute(/\/(coverage|playlist|replay|cameras)/);
    await page.route(/\/(coverage|playlist|replay|cameras)/, refuse(401));
    await page.goto(`${it.url}/#/`);
    await page.getByText('Your session has ended').first().waitFor();
    assert.equal(await page.getByRole('link', { name: 'Sign in' }).count(), 0);
  });
});

describe('time zones', { concurrency: 2 }, () => {
  test('of the camera, of one\'s own choice, and back: always named, and kept', async (t) => {
    const { url, store } = await empty(t, '--camera-zone', 'America/New_York', '--camera-zone', 'tor=Europe/Berlin');
    // Clocks go forward at 01:00 UTC in Berlin.
    await push(t, store, 'tor', '--speed', 'max', '--start', '2024-03-31 00:59:50').done;
    const page = await visit(it, t, `${url}/#/play/tor/2024-03-31 00:59:52`);
    await plays(page);
    const zone = page.locator('select.zone');
    assert.match((await zone.locator('option').allTextContents()).join('|'), /Local \(UTC\+08:00\)\|Camera \(UTC\+0[12]:00\)\|UTC\|Other…/);
    await zone.selectOption('camera');
    await until('over the change of clocks', async () => /^2024-03-31 03:00:0\d \(Europe\/Berlin, UTC\+02:00\)$/.test(await shownTime(page)));
    await zone.selectOption('other');
    const dialog = page.getByRole('dialog', { name: 'Time zone' });
    await dialog.getByLabel('Name of the time zone').fill('Atlantis');
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await dialog.getByText('This browser knows no time zone of that name.').waitFor();
    await dialog.getByLabel('Name of the time zone').fill('asia/kathmandu');
    await dialog.getByRole('button', { name: 'Apply' }).click();
    assert.match(await shownTime(page), /^2024-03-31 06:45:\d\d \(Asia\/Kat\w+, UTC\+05:45\)$/);
    await page.reload();
    await plays(page);
    assert.match(await shownTime(page), /UTC\+05:45/);
    await zone.selectOption('other');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await until('the choice is as it was', async () => /^Asia\/Kat/.test(await zone.inputValue()));
  });

  test('a day of 23 hours is one bar, and its calendar day is one', async (t) => {
    const { url, store } = await empty(t, '--camera-zone', 'Europe/Berlin');
    await push(t, store, 'tor', '--speed', 'max', '--start', '2024-03-30 23:00:00').done; // midnight in Berlin
    await push(t, store, 'tor', '--speed', 'max', '--start', '2024-03-31 21:59:30').done; // shortly before the next
    const page = await visit(it, t, `${url}/#/play/tor/2024-03-31 21:59:32`);
    await page.locator('select.zone').selectOption('camera');
    await plays(page);
    assert.match(await shownTime(page), /^2024-03-31 23:59:/);
    await until('one day is marked', async () => (await page.locator('.day.has').allTextContents()).join() === '31');
    await page.getByRole('button', { name: '31 March 2024, with footage' }).click();
    await until('its first moment', async () => /^2024-03-31 00:00:0/.test(await shownTime(page)));
    const bar = page.locator('.timeline');
    assert.equal(await bar.evaluate((e) => Number(e.ariaValueMax) - Number(e.ariaValueMin)), 23 * 3600);
  });
});

describe('colours', { concurrency: 2 }, () => {
  test('follow the system, or the viewer, and are kept', async (t) => {
    const page = await visit(it, t, `${it.url}/#/nowhere`, { colorScheme: 'dark' });
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.waitForSelector('.notice');
    const dark = await back();
    await page.getByRole('button', { name: /^Colours/ }).click();
    const light = await back();
    assert.notEqual(light, dark);
    await page.reload();
    await page.waitForSelector('.notice');
    assert.equal(await back(), light);
    await page.getByRole('button', { name: 'Colours: light' }).click();
    await page.getByRole('button', { name: 'Colours: dark' }).click();
    assert.equal(await back(), dark, 'as the system again');
    await page.emulateMedia({ colorScheme: 'light' });
    await until('the system changed', async () => (await back()) === light);
  });
});

describe('browsers that lack something', { concurrency: 2 }, () => {
  const at = async (page, time) => {
    const box = await page.locator('.timeline').boundingBox();
    const [from, to] = await page.locator('.timeline').evaluate((e) => [Number(e.ariaValueMin), Number(e.ariaValueMax)]);
    return { x: box.x + ((Date.parse(time) / 1000 - from) / (to - from)) * box.width, y: box.y + 20 };
  };

  test('without WebCodecs a hidden player shows the scrub pictures', async (t) => {
    const page = await visit(it, t, 'about:blank');
    await page.addInitScript(() => { delete window.VideoDecoder; });
    await page.goto(`${it.url}/#/play/demo/2021-01-01 00:00:10`);
    await plays(page);
    await page.getByLabel('Time that the timeline shows').selectOption({ label: '10 min' });
    await sleep(500);
    const there = await at(page, '2021-01-01T00:03:20Z');
    await page.mouse.move(there.x, there.y);
    await page.waitForSelector('.preview canvas:not([hidden])');
    const shades = await page.locator('.preview canvas').evaluate((c) => {
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      return new Set(data.filter((_, i) => i % 400 === 0).map((v) => v >> 4)).size;
    });
    assert.ok(shades > 4, `the picture has ${shades} shades`);
    await page.mouse.click(there.x, there.y);
    await until('the click', async () => /08:03:(1|2)\d/.test(await shownTime(page)));
    await plays(page);
    await page.getByRole('link', { name: 'All cameras' }).click();
    await page.waitForSelector('.tile');
    await until('its player is gone with the view', async () => await page.locator('.hidden-player').count() <= 1);
  });
});

describe('the timeline', { concurrency: 2 }, () => {
  test('moves on while the playhead is dragged to its end', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await plays(page);
    await page.getByLabel('Time that the timeline shows').selectOption({ label: '1 min' });
    const bar = page.locator('.timeline');
    const box = await bar.boundingBox();
    const before = await bar.evaluate((e) => Number(e.ariaValueMin));
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 60, box.y + 20, { steps: 4 });
    await page.mouse.move(box.x + box.width - 2, box.y + 20, { steps: 4 });
    await until('a minute on', async () => (await bar.evaluate((e) => Number(e.ariaValueMin))) > before + 60);
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await sleep(200);
    const still = await bar.evaluate((e) => Number(e.ariaValueMin));
    await sleep(500);
    assert.equal(await bar.evaluate((e) => Number(e.ariaValueMin)), still, 'it stands still in the middle');
    await page.mouse.up();
    await plays(page);
  });

  test('asks for no picture while the player waits for its own data', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:00:30`);
    await plays(page);
    let open = [];
    await page.route(/segments/, (route) => open.push(route));
    await page.getByRole('button', { name: '10 seconds on' }).click();
    await page.keyboard.press('Shift+ArrowRight');
    await until('the player asks', () => open.length > 0);
    const box = await page.locator('.timeline').boundingBox();
    await until('it waits', () => page.evaluate(() => ['connecting', 'buffering'].includes(document.querySelector('.player').dataset.status)));
    for (let i = 0; i < 10; i++) {
      await page.mouse.move(box.x + box.width / 2 + i * 2, box.y + 20);
      await sleep(50);
    }
    const ranged = open.filter((r) => r.request().headers()['range'] !== undefined);
    assert.equal(ranged.length, 0, 'pictures asked for meanwhile');
    await page.unroute(/segments/);
    await Promise.all(open.map((r) => r.continue().catch(() => {})));
    await plays(page, 40_000);
  });
});

describe('clips', { concurrency: 3 }, () => {
  const mark = async (page) => {
    await plays(page);
    await page.keyboard.press('i');
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => /08:01:1\d/.test(await shownTime(page)));
    await page.keyboard.press('o');
  };

  test('as TS, cancelled half way, and refused by the server with its reason', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`, { expected: /status: 400|Failed to load/ });
    await mark(page);
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as TS' }).click()]);
    const ts = await readFile(await file.path());
    assert.equal(ts[0], 0x47);
    assert.equal(ts.length % 188, 0);
    await page.route(/clip\.mp4/, () => {}); // never answered
    await page.getByRole('button', { name: 'Save as MP4' }).click();
    await page.getByText(/^Loading/).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled.').waitFor();
    await page.unroute(/clip\.mp4/);
    await page.route(/clip\.mp4/, (route) => route.fulfill({
      status: 400, contentType: 'application/json', body: '{"error":{"code":"range_too_long","message":"a clip may be 24h at most"}}',
    }));
    await page.getByRole('button', { name: 'Save as MP4' }).click();
    await page.getByText(/could not be saved.*a clip may be 24h at most/).waitFor();
  });

  test('that are huge are left to the browser\'s own download', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await mark(page);
    await page.route(/clip\.mp4/, async (route) => {
      const reply = await route.fetch();
      await route.fulfill({ response: reply, headers: { ...reply.headers(), 'x-s3cam-estimated-bytes': '2000000000' } });
    });
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as MP4' }).click()]);
    await page.getByText('This clip is large').waitFor();
    assert.match(file.url(), /^http:.*clip\.mp4\?camera_id=demo/, 'not from memory');
    assert.match(file.suggestedFilename(), /^demo_2021-01-01T00-0[01]-\d\dZ.*\.mp4$/);
  });

  test('a link to a moment is copied, and opens there', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`, { permissions: ['clipboard-read', 'clipboard-write'] });
    await plays(page);
    await page.getByRole('button', { name: 'Copy a link to this moment' }).click();
    await page.getByText('Link copied.').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /#\/play\/demo\/2021-01-01%2000:01:0\d$/);
  });
});

describe('hands that do not wait', { concurrency: 3 }, () => {
  test('fifty changes of the view leave nothing behind', async (t) => {
    const page = await visit(it, t, `${it.url}/#/nowhere`);
    const client = await page.context().newCDPSession(page);
    await client.send('Performance.enable');
    const measure = async () => {
      await client.send('HeapProfiler.collectGarbage');
      const { metrics } = await client.send('Performance.getMetrics');
      const of = (name) => metrics.find((m) => m.name === name).value;
      return { listeners: of('JSEventListeners'), nodes: of('Nodes'), heap: Math.round(of('JSHeapUsedSize') / 1e6) };
    };
    const addresses = ['#/', '#/live/front-door', '#/play/demo/2021-01-01 00:00:30', '#/sync/front-door/workshop', '#/live/workshop'];
    const round = async (n) => {
      for (let i = 0; i < n; i++) {
        await page.evaluate((hash) => { location.hash = hash; }, addresses[i % addresses.length]);
        await sleep(150 + (i % 3) * 150); // some are left while they are still loading
      }
      await page.evaluate(() => { location.hash = '#/nowhere'; });
      await until('nothing plays', async () => await page.locator('video').count() === 0);
      await sleep(500);
      return measure();
    };
    const first = await round(15);
    const last = await round(50);
    t.diagnostic(`after 15: ${JSON.stringify(first)}, after 65: ${JSON.stringify(last)}`);
    assert.ok(last.listeners < first.listeners + 150, `${first.listeners} listeners became ${last.listeners}`);
    assert.ok(last.nodes < first.nodes + 1500, `${first.nodes} nodes became ${last.nodes}`);
    assert.ok(last.heap < first.heap + 25, `${first.heap} MB became ${last.heap} MB`);
  });

  test('every button at once, a reload in the middle, back and forward, and it still plays', async (t) => {
    // The demo's recording is years old: "Live" of such a camera waits for it to come back.
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`, { expected: /404.*playlist|status of 404/ });
    await page.waitForSelector('.transport');
    for (let i = 0; i < 3; i++) {
      for (const name of ['10 seconds on', 'Next recording', '10 seconds back', 'One picture on', 'Previous recording', 'Live', 'Show less time']) {
        await page.getByRole('button', { name, exact: true }).first().click({ timeout: 2_000 });
      }
    }
    await page.reload();
    await page.keyboard.press('p');
    await page.goto(`${it.url}/#/`);
    await page.waitForSelector('.tile');
    await page.goBack();
    await page.goBack().catch(() => {});
    await page.goForward();
    await page.goto(`${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await page.waitForSelector('.transport');
    await page.keyboard.press('ArrowRight');
    await plays(page, 30_000);
  });

  test('two tabs of one browser do not disturb each other', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/front-door`);
    await plays(page);
    const other = await page.context().newPage();
    await other.goto(`${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await other.waitForSelector('.player[data-status=playing]', { timeout: 20_000 });
    await other.locator('select.language').selectOption('zh');
    await other.close();
    await page.bringToFront();
    await keeps(page, 3);
    assert.match(await shownTime(page), /\(Asia\/Shanghai/);
    assert.equal((await about(page)).paused, false);
  });
});

for (const delivery of ['direct', 'redirect']) {
  test(`the site as plain files elsewhere, below a path, with the API on another origin (${delivery})`, async (t) => {
    const args = delivery === 'direct' ? [] : ['--delivery', delivery];
    const pages = await elsewhere(t);
    const { url: api, store } = await empty(t, '--cors-origin', pages.origin, ...args);
    await pages.serve(it.url, api, [store]);
    await push(t, store, 'gate', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    push(t, store, 'gate', '--segment', '1s');
    await footage(api, 'gate', 4);
    const page = await visit(it, t, `${pages.origin}/cams/index.html#/`, { allow: [api, store] });
    await page.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 });
    await page.getByRole('link', { name: 'Watch gate live' }).click();
    await plays(page);
    await keeps(page, 3);
    await page.goto(`${pages.origin}/cams/#/play/gate/2024-02-29 12:00:04`);
    await plays(page);
    await page.getByLabel('Time that the timeline shows').selectOption({ label: '10 min' });
    await sleep(500);
    const box = await page.locator('.timeline').boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.waitForSelector('.preview canvas:not([hidden])');
    await page.keyboard.press('i');
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => /20:00:1\d/.test(await shownTime(page)));
    await page.keyboard.press('o');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as MP4' }).click()]);
    assert.match(file.suggestedFilename(), /^gate_2024-02-29T12-00-\d\dZ.*\.mp4$/, 'the name comes over from the other origin');
  });
}
