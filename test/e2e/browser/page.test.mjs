// SPDX-License-Identifier: Apache-2.0

// The page as its viewers use it, against the real server. Every test fails on an error on the console, an exception, a
// failed request or a request to anywhere else; the few that break something on purpose say which they expect.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { about, launch, open, sleep } from './lib/chrome.mjs';
import { empty, push } from './lib/push.mjs';
import { demo, footage, until } from './lib/server.mjs';

const lifetime = { hooks: [], after(f) { this.hooks.push(f); } };
let browser;
let url;

before(async () => {
  [url, browser] = await Promise.all([demo(lifetime), launch(lifetime)]);
  await footage(url, 'front-door', 3);
});
after(async () => {
  for (const f of lifetime.hooks.reverse()) {
    await f();
  }
});

/**
 * visit opens a page for the test t and holds everything against it at the end, unless expected allows it. store is a
 * second origin that the page may talk to.
 */
async function visit(t, address, { expected, store, ...options } = {}) {
  const tab = await open(browser, options);
  t.after(async () => {
    await tab.close();
    const bad = tab.faults.filter((f) => !expected?.test(f));
    assert.deepEqual(bad, [], 'the page went through these');
    const origin = new URL(address).origin;
    assert.deepEqual(tab.requests.filter((r) => ![origin, store ?? origin].includes(new URL(r).origin) && !/^(blob|data):/.test(r)), [], 'requests elsewhere');
  });
  await tab.page.goto(address);
  return tab.page;
}

/** plays waits until the picture moves and returns what the video does. */
async function plays(page, ms = 20_000) {
  let before;
  return until('the picture moves', async () => {
    const now = await about(page);
    if (now?.latest?.index !== undefined && (before === undefined || now.time < before.time)) { // the first, or a new one
      before = now;
    }
    return before !== undefined && now !== undefined && now.time > before.time + 1 && now.frames > before.frames + 8 &&
      now.latest.index !== before.latest.index && now;
  }, ms);
}

/** keeps asserts that playback goes on without a stall for seconds. */
async function keeps(page, seconds, rate = 1) {
  const from = await about(page);
  const begun = Date.now();
  await sleep(seconds * 1000);
  const to = await about(page);
  const elapsed = (Date.now() - begun) / 1000;
  assert.deepEqual(to.stalls.slice(from.stalls.length), [], 'stalls');
  assert.ok(to.time - from.time > 0.85 * elapsed * rate, `${to.time - from.time} s played in ${elapsed} s`);
  assert.ok(to.frames - from.frames > 3 * elapsed, `${to.frames - from.frames} pictures shown in ${elapsed} s`);
  return to;
}

const shownLatency = async (page) => parseFloat(await page.textContent('.latency'));
const shownTime = async (page) => (await page.textContent('.picture-time')).trim();

describe('the camera list', () => {
  test('names every camera with its state and leads to live and replay', async (t) => {
    const page = await visit(t, `${url}/`);
    await page.waitForSelector('.camera');
    assert.deepEqual(await page.locator('.camera .name').allTextContents(), ['demo', 'front-door', 'workshop']);
    assert.deepEqual(await page.locator('.camera .state').allTextContents(), ['Last seen 5 years ago', 'Live now', 'Live now']);
    assert.match(await page.title(), /^Cameras/);
    await page.getByRole('link', { name: 'Watch workshop live' }).click();
    await plays(page);
    assert.equal(await page.textContent('h1'), 'workshop');
    await page.getByRole('link', { name: 'All cameras' }).click();
    await page.getByRole('link', { name: 'Replay of demo' }).click();
    await page.waitForSelector('.ranges li');
  });

  test('works by keyboard alone', async (t) => {
    const page = await visit(t, `${url}/`);
    await page.waitForSelector('.camera');
    const target = page.getByRole('link', { name: 'Watch front-door live' });
    for (let i = 0; i < 30 && !(await target.evaluate((e) => e === document.activeElement)); i++) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await plays(page);
    const video = await page.locator('.video-js');
    await video.focus();
    await page.keyboard.press('Space');
    await until('paused', async () => (await about(page)).paused);
    await page.keyboard.press('Space');
    await until('playing', async () => !(await about(page)).paused);
  });

  test('says what to do when there is no camera, and shows the first one by itself', async (t) => {
    const { url: fresh, store } = await empty(t);
    const page = await visit(t, `${fresh}/`);
    await page.getByText('No footage yet').waitFor();
    assert.match(await page.textContent('pre'), /s3cam push --camera/);
    await push(t, store, 'garden', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    await page.getByRole('link', { name: 'Replay of garden' }).waitFor();
  });

  test('says what is wrong when the server fails, and recovers', async (t) => {
    const page = await visit(t, `${url}/#/nowhere`, { expected: /cameras|Failed to load resource/ });
    await page.getByText('There is no such page').waitFor();
    await page.route('**/cameras', (route) => route.fulfill({
      status: 503, contentType: 'application/json', body: '{"error":{"code":"store_unavailable","message":"S3 is away"}}',
    }));
    await page.getByRole('link', { name: 'All cameras' }).click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.textContent(), /could not be loaded.*store_unavailable: S3 is away/);
    await page.unroute('**/cameras');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForSelector('.camera');
    await page.route('**/cameras', (route) => route.abort('connectionrefused'));
    await page.getByText('The server does not answer').waitFor();
    assert.equal(await page.locator('.camera').count(), 3, 'the last known state stays');
  });
});

describe('the live view', () => {
  test('plays picture and sound without a stall, and tells its latency', async (t) => {
    const page = await visit(t, `${url}/#/live/front-door`);
    await plays(page);
    const now = await keeps(page, 10);
    assert.ok(now.audioBytes > 10_000, `${now.audioBytes} bytes of audio decoded`);
    assert.equal(now.width, 640);
    const [shown, measured] = [await shownLatency(page), (await about(page)).latest.latency];
    assert.ok(Math.abs(shown - measured) < 0.6, `the page says ${shown} s, the picture is ${measured} s old`);
    assert.match(await shownTime(page), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(Asia\/Shanghai, UTC\+08:00\)$/);
    t.diagnostic(`latency shown ${shown} s, measured from the picture ${measured.toFixed(2)} s`);
  });

  test('of a camera without a microphone has no sound and plays all the same', async (t) => {
    const page = await visit(t, `${url}/#/live/workshop`);
    await plays(page);
    const now = await keeps(page, 4);
    assert.equal(now.audioBytes, 0);
  });

  test('comes back to live after a pause', async (t) => {
    const page = await visit(t, `${url}/#/live/front-door`);
    await plays(page);
    await page.locator('.vjs-play-control').click();
    await sleep(24_000); // longer than the live window
    await page.locator('.vjs-play-control').click();
    await until('close to live again', async () => (await about(page)).latest.latency < 6.5, 15_000);
    await keeps(page, 4);
  });

  test('goes on by itself after the server was away for 8 s', async (t) => {
    const page = await visit(t, `${url}/#/live/workshop`, { expected: /request|console/ });
    await plays(page);
    await page.route(/m3u8|segments/, (route) => route.abort('connectionrefused'));
    await page.getByText('Waiting for data').waitFor();
    await sleep(8_000);
    await page.unroute(/m3u8|segments/);
    await plays(page, 20_000);
    await until('close to live again', async () => (await about(page)).latest.latency < 7, 15_000);
  });

  test('says that a camera is silent, and plays on when it comes back', async (t) => {
    const { url: fresh, store } = await empty(t);
    const camera = '仓库/door 1';
    const page = await visit(t, `${fresh}/#/live/${encodeURIComponent(camera)}`, { expected: /404/ });
    await page.getByText('This camera sends nothing at the moment').waitFor();
    const first = push(t, store, camera, '--segment', '1s');
    await plays(page, 30_000);
    assert.equal(await page.textContent('h1'), camera);
    await first.stop();
    await page.getByText('The camera sends nothing', { exact: true }).waitFor({ timeout: 30_000 });
    push(t, store, camera, '--segment', '1s');
    await plays(page, 30_000);
    await until('close to live again', async () => (await shownLatency(page)) < 6, 20_000);
  });
});

describe('replay', () => {
  test("plays from the manual's link, at the right time, with sound", async (t) => {
    const page = await visit(t, `${url}/#/play/demo/2021-01-01 00:00:07`);
    await plays(page);
    const now = await keeps(page, 4);
    assert.ok(now.audioBytes > 5_000);
    assert.match(await shownTime(page), /^2021-01-01 08:00:(0[7-9]|1\d|2\d) \(Asia\/Shanghai, UTC\+08:00\)$/);
    // The picture's own counter and the shown time agree: the clip loops every 20 s from the epoch on.
    const { index } = (await about(page)).latest;
    const second = Number(/:(\d\d) \(/.exec(await shownTime(page))[1]) % 20;
    const difference = (index / 15 - second + 20) % 20;
    assert.ok(difference < 2.5 || difference > 19, `picture ${index} at second ${second}`);
    await page.locator('header select').first().selectOption('utc');
    assert.match(await shownTime(page), /^2021-01-01 00:00:\d\d \(UTC\)$/);
    await page.reload();
    assert.equal(await page.locator('header select').first().inputValue(), 'utc', 'the choice of zone was kept');
    assert.equal(await page.inputValue('#start'), '2021-01-01T00:00:07');
  });

  test('offers what was recorded, plays it on a click, and seeks', async (t) => {
    const page = await visit(t, `${url}/#/play/demo`);
    await page.locator('.ranges li a').click();
    await plays(page);
    await page.locator('.video-js').focus();
    const { time } = await about(page);
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => (await about(page)).time > time + 9);
    await page.evaluate(() => { document.querySelector('video').currentTime = 260; });
    await until('a seek by minutes', async () => /08:04:2\d/.test(await shownTime(page)));
    await keeps(page, 3);
    await page.keyboard.press('ArrowLeft');
    await until('10 s back', async () => /08:04:1\d/.test(await shownTime(page)));
    const rate = page.locator('.vjs-playback-rate button');
    await rate.click();
    await page.getByRole('menuitemradio', { name: '4x' }).click();
    await sleep(1_000);
    await keeps(page, 3, 4);
  });

  test('plays a range that is typed in, to its end, and again', async (t) => {
    const page = await visit(t, `${url}/#/play/demo/2021-01-01 00:04:00?end=2021-01-01 00:04:06`);
    await page.fill('#start', '2021-01-01T08:02:00');
    await page.selectOption('#length', 'until');
    await page.fill('#end', '2021-01-01T08:01:00');
    await page.getByRole('button', { name: 'Play', exact: true }).last().click();
    await page.getByText('The end must be later than the start.').waitFor();
    await page.fill('#end', '2021-01-01T08:02:06');
    await page.locator('form button').click();
    await until('the address', () => page.url().includes('2021-01-01%2000:02:00?end=2021-01-01%2000:02:06'));
    await plays(page);
    assert.match(await shownTime(page), /^2021-01-01 08:02:0\d/);
    await page.getByText('End of this range').waitFor();
    await page.getByRole('button', { name: 'Play again' }).click();
    await plays(page);
    await page.getByText('End of this range').waitFor();
    await page.getByRole('button', { name: 'Play on from here' }).click();
    await until('the next stretch', () => page.url().includes('2021-01-01%2000:02:06?end=2021-01-01%2000:02:12'));
    await plays(page);
  });

  test('without an end goes on into live', async (t) => {
    const start = new Date(Date.now() - 12_000).toISOString().slice(0, 19).replace('T', ' ');
    const page = await visit(t, `${url}/#/play/workshop/${start}?end=open`);
    await plays(page);
    const now = await keeps(page, 12);
    assert.ok(now.latest.latency > 8 && now.latest.latency < 19, `${now.latest.latency} s behind, asked for 12`);
  });

  test('says that there is no footage, and where there is some', async (t) => {
    const page = await visit(t, `${url}/#/play/demo/2020-05-05 05:05:05`, { expected: /404|HLS playlist request error/ });
    await page.getByText('There is no footage in this range.').waitFor();
    await page.getByText('Nothing was recorded on this day.').waitFor();
    await page.getByRole('button', { name: 'Show that day' }).click();
    await page.locator('.ranges li a').click();
    await plays(page);
  });

  test('refuses times that do not exist or have not come', async (t) => {
    const page = await visit(t, `${url}/#/play/demo`, { timezoneId: 'Europe/Berlin' });
    await page.waitForSelector('.ranges li');
    await page.fill('#start', '2021-03-28T02:30:00');
    await page.locator('form button').click();
    await page.getByText('Clocks were set forward').waitFor();
    await page.fill('#start', '2099-01-01T00:00:00');
    await page.locator('form button').click();
    await page.getByText('This time has not come yet.').waitFor();
  });
});

describe('languages', () => {
  test('follow the browser, can be switched, and are kept', async (t) => {
    const page = await visit(t, `${url}/`, { locale: 'zh-CN' });
    await page.getByText('正在直播').first().waitFor();
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
    await page.locator('header select').last().selectOption('en');
    await page.getByText('Live now').first().waitFor();
    await page.reload();
    await page.getByText('Live now').first().waitFor();
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
  });

  test('change without interrupting the video', async (t) => {
    const page = await visit(t, `${url}/#/live/workshop`);
    await plays(page);
    await page.locator('header select').last().selectOption('zh');
    await page.getByText('画面时间').waitFor();
    await keeps(page, 3);
    assert.equal(await page.getAttribute('.vjs-play-control', 'title'), '暂停');
  });
});

for (const delivery of ['redirect', 'presign']) {
  test(`segments that come from the store itself (${delivery}) play, live and in replay`, async (t) => {
    const { url: fresh, store } = await empty(t, '--delivery', delivery);
    await push(t, store, 'gate', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    push(t, store, 'gate', '--segment', '1s');
    const page = await visit(t, `${fresh}/#/play/gate/2024-02-29 12:00:04?end=2024-02-29 12:00:20`, { store });
    await plays(page);
    await keeps(page, 3);
    await footage(fresh, 'gate', 4);
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    await plays(page);
    await keeps(page, 4);
  });
}

test('leaving a view ends its player, its requests and its timers', async (t) => {
  const page = await visit(t, `${url}/#/live/front-door`);
  await plays(page);
  await page.getByRole('link', { name: 'All cameras' }).click();
  await page.waitForSelector('.camera');
  assert.equal(await page.locator('video').count(), 0);
  const asked = [];
  page.on('request', (r) => asked.push(r.url()));
  await sleep(4_000);
  assert.deepEqual(asked.filter((r) => /m3u8|segments/.test(r)), []);
});
