// SPDX-License-Identifier: Apache-2.0

// The wall and everything around it as viewers use them, against the real server. Every test fails on an error on the
// console, an exception, a failed request or a request to anywhere else; the few that break something on purpose say which they expect.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sleep } from './lib/chrome.mjs';
import { empty, push } from './lib/push.mjs';
import { footage, until } from './lib/server.mjs';
import { keeps, plays, site, visit } from './lib/visit.mjs';

const it = site();

/** playing returns the ids of the cameras whose pictures move, within two seconds. */
async function playing(page) {
  const frames = () => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('.tile')].map((t) => {
    const video = t.querySelector('video');
    return [t.querySelector('.name').textContent, video ? video.getVideoPlaybackQuality().totalVideoFrames : -1];
  })));
  const before = await frames();
  await sleep(2_000);
  const now = await frames();
  return Object.keys(now).filter((id) => now[id] > (before[id] ?? Infinity) + 8);
}

describe('the wall', { concurrency: 2 }, () => {
  test('shows every camera: live pictures, the last picture of those that are silent', async (t) => {
    const page = await visit(it, t, `${it.url}/`);
    await page.waitForSelector('.tile');
    assert.deepEqual(await page.locator('.tile .name').allTextContents(), ['demo', 'front-door', 'workshop']);
    await until('both live pictures move', async () => (await playing(page)).join() === 'front-door,workshop');
    assert.match(await page.locator('.tile .state').first().textContent(), /^Last seen 5 years ago$/);
    await until('latency is told', async () => /^Live, \d\.\d s behind$/.test(await page.locator('.tile .state').nth(1).textContent()));
    await page.waitForSelector('.tile canvas:not([hidden])');
    const colours = await page.locator('.tile canvas').first().evaluate((c) => {
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 400) {
        seen.add(data[i] >> 4);
      }
      return seen.size;
    });
    assert.ok(colours > 4, `the last picture has ${colours} shades`);
    assert.match(await page.title(), /^Cameras/);
  });

  test('one click leads to the camera, and what is left stops', async (t) => {
    const page = await visit(it, t, `${it.url}/`);
    await page.getByRole('link', { name: 'Watch workshop live' }).click();
    await plays(page);
    assert.equal(await page.textContent('h1'), 'workshop');
    assert.equal(await page.locator('video').count(), 1);
    await page.getByRole('link', { name: 'All cameras' }).click();
    await page.getByRole('link', { name: 'Replay of demo' }).click();
    await plays(page);
    assert.match(await page.textContent('.picture-time'), /2021-01-01 08:04/);
  });

  test('pages through the cameras in the chosen layout, and keeps the choice', async (t) => {
    const page = await visit(it, t, `${it.url}/`);
    await page.waitForSelector('.tile');
    await page.getByLabel('Pictures on the page').selectOption('1');
    assert.deepEqual(await page.locator('.tile .name').allTextContents(), ['demo']);
    await page.getByRole('button', { name: 'Page after' }).click();
    assert.deepEqual(await page.locator('.tile .name').allTextContents(), ['front-door']);
    await until('it plays', async () => (await playing(page)).length === 1);
    await page.reload();
    await page.waitForSelector('.tile');
    assert.equal(await page.locator('.tile').count(), 1, 'the choice was kept');
    await page.getByLabel('Pictures on the page').selectOption('0');
    assert.equal(await page.locator('.tile').count(), 3);
  });

  test('does not load what is off the screen', async (t) => {
    const page = await visit(it, t, `${it.url}/`, { viewport: { width: 390, height: 300 } });
    await page.waitForSelector('.tile');
    await page.evaluate(() => { document.querySelector('.wall').style.paddingTop = '2000px'; });
    await until('nothing plays', async () => await page.locator('video').count() === 0);
    await page.evaluate(() => scrollTo(0, 5000));
    await until('what came into view plays', async () => (await playing(page)).length > 0);
  });

  test('works by keyboard alone', async (t) => {
    const page = await visit(it, t, `${it.url}/`);
    await page.waitForSelector('.tile');
    const target = page.getByRole('link', { name: 'Watch front-door live' });
    for (let i = 0; i < 30 && !(await target.evaluate((e) => e === document.activeElement)); i++) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await plays(page);
    await page.keyboard.press('Space');
    await until('paused', () => page.evaluate(() => document.querySelector('video').paused));
    await page.keyboard.press('Space');
    await until('playing', () => page.evaluate(() => !document.querySelector('video').paused));
  });

  test('says what to do when there is no camera, and shows the first one by itself', async (t) => {
    const { url: fresh, store } = await empty(t);
    const page = await visit(it, t, `${fresh}/`);
    await page.getByText('No footage yet').waitFor();
    assert.match(await page.textContent('pre'), /s3cam push --camera/);
    await push(t, store, 'garden', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    await page.getByRole('link', { name: 'Replay of garden' }).waitFor();
  });

  test('says what is wrong when the server fails, and recovers', async (t) => {
    const page = await visit(it, t, `${it.url}/#/nowhere`, { expected: /cameras|Failed to load resource/ });
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
    await page.waitForSelector('.tile');
    await page.route('**/cameras', (route) => route.abort('connectionrefused'));
    await page.getByText('The server does not answer').waitFor();
    assert.equal(await page.locator('.tile').count(), 3, 'the last known state stays');
  });
});

describe('several cameras together', { concurrency: 2 }, () => {
  test('play the same moment, side by side', async (t) => {
    const start = new Date(Date.now() - 14_000).toISOString().slice(0, 19).replace('T', ' ');
    const page = await visit(it, t, `${it.url}/#/sync/front-door/workshop/${start}`);
    await until('both play', async () => (await playing(page)).length === 2);
    // Both simulated cameras draw the number of their picture: they are in step when the numbers are.
    const shown = () => page.evaluate(() => [...document.querySelectorAll('video')].map((v) => {
      const c = document.createElement('canvas');
      c.width = 18;
      c.height = 1;
      const x = c.getContext('2d');
      x.imageSmoothingEnabled = false;
      x.drawImage(v, 0, 0, 288 * v.videoWidth / 640, 16 * v.videoWidth / 640, 0, 0, 18, 1);
      const p = x.getImageData(0, 0, 18, 1).data;
      return Array.from({ length: 16 }, (_, i) => Number(p[4 * (i + 2)] > 128)).reduce((n, bit) => 2 * n + bit, 0);
    }));
    let numbers;
    let apart;
    await until('they are in step', async () => {
      numbers = await shown();
      apart = Math.min(Math.abs(numbers[0] - numbers[1]), 300 - Math.abs(numbers[0] - numbers[1]));
      return numbers[0] !== 0 && apart <= 6;
    }, 20_000);
    t.diagnostic(`pictures ${numbers} of 15 a second are ${apart} apart`);
    await page.getByRole('button', { name: 'Pause' }).click();
    await until('both stand still', async () => (await playing(page)).length === 0);
    await page.getByRole('button', { name: 'Play' }).click();
    await until('both play again', async () => (await playing(page)).length === 2);
    await page.getByRole('button', { name: 'Live', exact: true }).click();
    await until('both live', async () => /sync\/front-door\/workshop$/.test(page.url()) && (await playing(page)).length === 2);
  });

  test('say where one of them has nothing', async (t) => {
    const page = await visit(it, t, `${it.url}/#/sync/demo/front-door/2021-01-01 00:00:10`);
    await until('the one that has something plays', async () => (await playing(page)).join() === 'demo');
    await page.locator('.absent:visible').waitFor();
    assert.equal(await page.locator('.absent:visible').textContent(), 'Nothing was recorded at this time');
  });

  test('are reached from the wall', async (t) => {
    const page = await visit(it, t, `${it.url}/`);
    await page.getByRole('link', { name: 'Watch together' }).click();
    await until('the live ones play', async () => (await playing(page)).length === 2);
  });
});

describe('languages', { concurrency: 2 }, () => {
  test('follow the browser, can be switched, and are kept', async (t) => {
    const page = await visit(it, t, `${it.url}/`, { locale: 'zh-CN' });
    await page.getByText(/直播，延迟/).first().waitFor();
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
    await page.locator('header select').last().selectOption('en');
    await page.getByText(/Live, .* behind/).first().waitFor();
    await page.reload();
    await page.getByText(/Live, .* behind/).first().waitFor();
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
  });

  test('change without interrupting the video', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/workshop`);
    await plays(page);
    await page.locator('header select').last().selectOption('zh');
    await page.getByText('全部摄像机').waitFor();
    await keeps(page, 3);
    assert.equal(await page.getAttribute('.vjs-play-control', 'title'), '暂停');
  });
});

for (const delivery of ['redirect', 'presign']) {
  test(`segments that come from the store itself (${delivery}) play, live and in replay`, async (t) => {
    const { url: fresh, store } = await empty(t, '--delivery', delivery);
    await push(t, store, 'gate', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    push(t, store, 'gate', '--segment', '1s');
    const page = await visit(it, t, `${fresh}/#/play/gate/2024-02-29 12:00:04?end=2024-02-29 12:00:20`, { allow: [store] });
    await plays(page);
    await keeps(page, 3);
    await footage(fresh, 'gate', 4);
    await page.getByRole('button', { name: 'Live', exact: true }).click();
    await plays(page);
    await keeps(page, 4);
  });
}

test('leaving a view ends its player, its requests and its timers', async (t) => {
  const page = await visit(it, t, `${it.url}/#/live/front-door`);
  await plays(page);
  await page.getByRole('link', { name: 'All cameras' }).click();
  await page.waitForSelector('.tile');
  await page.evaluate(() => { document.querySelector('.wall').style.paddingTop = '9000px'; });
  await until('nothing plays', async () => await page.locator('video').count() === 0);
  const asked = [];
  page.on('request', (r) => asked.push(r.url()));
  await sleep(4_000);
  assert.deepEqual(asked.filter((r) => /m3u8|segments/.test(r)), []);
});
