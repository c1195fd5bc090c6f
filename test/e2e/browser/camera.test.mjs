// SPDX-License-Identifier: Apache-2.0

// One camera, live and back in time, as viewers use it, against the real server.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { about, sleep } from './lib/chrome.mjs';
import { empty, push } from './lib/push.mjs';
import { footage, until } from './lib/server.mjs';
import { keeps, plays, shownLatency, shownTime, site, visit } from './lib/visit.mjs';

const it = site();

describe('the live view', { concurrency: 2 }, () => {
  test('plays picture and sound without a stall, and tells its latency', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/front-door`);
    await plays(page);
    const now = await keeps(page, 10);
    assert.ok(now.audioBytes > 10_000, `${now.audioBytes} bytes of audio decoded`);
    assert.equal(now.width, 640);
    const shown = await until('the page tells its latency', async () => { const n = await shownLatency(page); return n > 0 && n; });
    const measured = (await about(page)).latest.latency;
    assert.ok(Math.abs(shown - measured) < 0.6, `the page says ${shown} s, the picture is ${measured} s old`);
    assert.match(await shownTime(page), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(Asia\/Shanghai, UTC\+08:00\)$/);
    t.diagnostic(`latency shown ${shown} s, measured from the picture ${measured.toFixed(2)} s`);
  });

  test('of a camera without a microphone has no sound and plays all the same', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/workshop`);
    await plays(page);
    const now = await keeps(page, 4);
    assert.equal(now.audioBytes, 0);
  });

  test('comes back to live after a pause', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/front-door`);
    await plays(page);
    await page.locator('.vjs-play-control').click();
    await sleep(24_000); // longer than the live window
    await page.locator('.vjs-play-control').click();
    await until('close to live again', async () => (await about(page)).latest.latency < 6.5, 15_000);
    await keeps(page, 4);
  });

  test('goes on by itself after the server was away for 8 s', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/workshop`, { expected: /request|console/ });
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
    const page = await visit(it, t, `${fresh}/#/live/${encodeURIComponent(camera)}`, { expected: /404/ });
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

describe('back in time', { concurrency: 2 }, () => {
  /** secondsOf reads the shown time as seconds since the day began. */
  const secondsOf = async (page) => {
    const [, h, m, s] = /(\d\d):(\d\d):(\d\d) \(/.exec(await shownTime(page)) ?? [];
    return Number(h) * 3600 + Number(m) * 60 + Number(s);
  };
  /** at moves the pointer to a moment of the timeline and returns where that is. */
  const at = async (page, time) => {
    const box = await page.locator('.timeline').boundingBox();
    const [from, to] = await page.locator('.timeline').evaluate((e) => [Number(e.ariaValueMin), Number(e.ariaValueMax)]);
    return { x: box.x + ((Date.parse(time) / 1000 - from) / (to - from)) * box.width, y: box.y + 20 };
  };

  test("plays from the manual's link, at the right time, with sound", async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:00:07`);
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
    await until('the address follows', () => /2021-01-01%2000:00:(1|2)\d$/.test(page.url()));
    await page.reload();
    await plays(page);
    assert.match(await shownTime(page), /^2021-01-01 00:00:(1|2|3)\d \(UTC\)$/, 'zone and moment were kept');
  });

  test('a click on the timeline shows that moment, a drag another, and hovering a picture of it', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:00:10`);
    await plays(page);
    for (let i = 0; i < 3; i++) {
      await page.getByRole('button', { name: 'Show less time' }).click();
    }
    const there = await at(page, '2021-01-01T00:03:20Z');
    await page.mouse.move(there.x, there.y);
    await page.waitForSelector('.preview canvas:not([hidden])');
    assert.match(await page.textContent('.preview span'), /^08:03:(19|20|21)$/);
    const reading = await page.locator('.preview canvas').evaluate((c) => { // the number that the camera draws, as in lib/chrome.mjs
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      return Array.from({ length: 16 }, (_, i) => Number(data[4 * Math.floor((i + 2.5) * 16 * c.width / 640)] > 128))
        .reduce((n, bit) => 2 * n + bit, 0);
    });
    assert.ok([0, 270, 285].includes(reading) || reading % 15 === 0 && reading < 300, `picture ${reading} is the first of a segment`);
    await page.mouse.click(there.x, there.y);
    await until('the click', async () => Math.abs((await secondsOf(page)) - (8 * 3600 + 203)) < 5);
    await plays(page);
    await keeps(page, 3);
    const from = await at(page, '2021-01-01T00:03:30Z');
    const to = await at(page, '2021-01-01T00:01:00Z');
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move((from.x + to.x) / 2, from.y, { steps: 5 });
    await page.mouse.move(to.x, to.y, { steps: 5 });
    await page.mouse.up();
    await until('the drag', async () => Math.abs((await secondsOf(page)) - (8 * 3600 + 63)) < 6);
    await plays(page);
  });

  test('keys and buttons move by pictures, seconds and speed', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await plays(page);
    let { time } = await about(page);
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => (await about(page)).time > time + 9);
    ({ time } = await about(page));
    await page.getByRole('button', { name: '10 seconds back' }).click();
    await until('10 s back', async () => (await about(page)).time < time - 7);
    await page.locator('.transport').getByRole('button', { name: 'Pause' }).click();
    await until('paused', async () => (await about(page)).paused);
    ({ time } = await about(page));
    await page.keyboard.press('.');
    await until('a picture on', async () => { const n = (await about(page)).time; return n > time && n < time + 0.1; });
    await page.keyboard.press(',');
    await until('a picture back', async () => Math.abs((await about(page)).time - time) < 0.02);
    await page.keyboard.press(' ');
    await page.getByLabel('Speed').selectOption('4');
    await until('4 times as fast', async () => (await about(page)).rate === 4);
    await sleep(1_000);
    await keeps(page, 3, 4);
    await page.getByLabel('Speed').selectOption('16');
    const from = (await about(page)).time;
    await sleep(3_000);
    assert.ok((await about(page)).time - from > 20, '16 times as fast');
  });

  test('the wheel zooms, shift and wheel pans, and the bar stays drawn', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await plays(page);
    const bar = page.locator('.timeline');
    const span = () => bar.evaluate((e) => Number(e.ariaValueMax) - Number(e.ariaValueMin));
    const before = await span();
    const box = await bar.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.wheel(0, -400);
    await until('zoomed in', async () => (await span()) < before * 0.7);
    for (let i = 0; i < 30; i++) {
      await page.mouse.wheel(0, 300);
    }
    await until('a month at most', async () => (await span()) === 31 * 86400);
    for (let i = 0; i < 40; i++) {
      await page.mouse.wheel(0, -300);
    }
    await until('a minute at least', async () => (await span()) === 60);
    const painted = await page.locator('.timeline canvas').evaluate((c) => {
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      return data.filter((_, i) => i % 4 === 3 && data[i] > 0).length / (data.length / 4);
    });
    assert.ok(painted > 0.5, `${painted} of the bar is painted`);
  });

  test('pinching zooms', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`, { hasTouch: true, viewport: { width: 390, height: 844 } });
    await plays(page);
    const bar = page.locator('.timeline');
    await bar.scrollIntoViewIfNeeded();
    const box = await bar.boundingBox();
    const span = () => bar.evaluate((e) => Number(e.ariaValueMax) - Number(e.ariaValueMin));
    const before = await span();
    const client = await page.context().newCDPSession(page);
    const touch = (type, d) => client.send('Input.dispatchTouchEvent', {
      type, touchPoints: type === 'touchEnd' ? [] : [
        { x: box.x + box.width / 2 - d, y: box.y + 20, id: 0 }, { x: box.x + box.width / 2 + d, y: box.y + 20, id: 1 }],
    });
    await touch('touchStart', 30);
    for (let d = 40; d <= 120; d += 20) {
      await touch('touchMove', d);
    }
    await touch('touchEnd', 0);
    await until('zoomed in by a factor of about 4', async () => { const f = before / (await span()); return f > 3 && f < 5; });
  });

  test('from live, 10 s back is the recording, and Live leads back', async (t) => {
    const page = await visit(it, t, `${it.url}/#/live/front-door`);
    await plays(page);
    await page.getByRole('button', { name: '10 seconds back' }).click();
    await until('the recording', () => /#\/play\/front-door/.test(page.url()));
    await plays(page);
    const now = await keeps(page, 6);
    assert.ok(now.latest.latency > 9 && now.latest.latency < 22, `${now.latest.latency} s behind`);
    await page.keyboard.press('l');
    await until('live', async () => /#\/live\/front-door/.test(page.url()) && (await shownLatency(page)) < 7);
    await keeps(page, 3);
  });

  test('the calendar marks days with footage and leads to them', async (t) => {
    const { url: fresh, store } = await empty(t);
    for (const day of ['2024-02-29 23:59:50', '2024-03-05 12:00:00']) {
      await push(t, store, 'yard', '--speed', 'max', '--start', day).done;
    }
    const page = await visit(it, t, `${fresh}/#/play/yard`);
    await plays(page);
    assert.match(await shownTime(page), /^2024-03-05 20:00:/, 'without a time the newest is shown');
    await page.getByRole('button', { name: '1 March 2024, with footage' }).waitFor(); // 29 February in UTC is 1 March in Shanghai
    assert.deepEqual(await page.locator('.day.has').allTextContents(), ['1', '5']);
    await page.locator('header select').first().selectOption('utc');
    await until('UTC days', async () => (await page.locator('.day.has').allTextContents()).join() === '1,5');
    await page.getByRole('button', { name: 'Month before' }).click();
    await page.getByRole('button', { name: '29 February 2024, with footage' }).click();
    await plays(page);
    assert.match(await shownTime(page), /^2024-02-29 23:59:5\d|^2024-03-01 00:00/);
  });

  test('the calendar is exact where midnight is in the middle of an hour of UTC', async (t) => {
    const { url: fresh, store } = await empty(t);
    for (const day of ['2024-03-05 18:29:20', '2024-03-12 18:30:10', '2024-03-20 09:00:00']) { // midnight in Kolkata is 18:30 UTC
      await push(t, store, 'yard', '--speed', 'max', '--start', day).done;
    }
    const page = await visit(it, t, 'about:blank', { timezoneId: 'Asia/Kolkata', allow: [fresh] });
    const byMinute = [];
    page.on('request', (r) => {
      const q = new URL(r.url()).searchParams;
      if (q.get('resolution') === 'minute' && Date.parse(q.get('end')) - Date.parse(q.get('start')) === 3600_000) {
        byMinute.push(q.get('start'));
      }
    });
    await page.goto(`${fresh}/#/play/yard/2024-03-20 09:00:02`);
    await page.getByRole('button', { name: '20 March 2024, with footage' }).waitFor();
    assert.deepEqual(await page.locator('.day.has').allTextContents(), ['5', '13', '20']);
    assert.deepEqual(byMinute, ['2024-03-05T18:00:00Z', '2024-03-12T18:00:00Z'], 'only the hours that decide are looked at closely');
    await plays(page);
    await page.locator('header select.zone').selectOption('utc');
    await until('days of UTC', async () => (await page.locator('.day.has').allTextContents()).join() === '5,12,20');
    assert.equal(byMinute.length, 2);
  });

  test('plays over a gap, and jumps over it', async (t) => {
    const { url: fresh, store } = await empty(t);
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-02-29 12:05:00').done;
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-03-07 12:00:00').done;
    const page = await visit(it, t, `${fresh}/#/play/yard/2024-02-29 12:00:14`);
    await plays(page);
    await until('after the short gap', async () => /20:05:0\d/.test(await shownTime(page)), 20_000);
    await plays(page);
    await page.getByRole('button', { name: 'Next recording' }).click();
    await until('after the gap of days', async () => /^2024-03-07 20:00:0\d/.test(await shownTime(page)));
    await plays(page);
    // More than 10 s into a recording it leads to its begin first.
    await until('before it', async () => {
      await page.getByRole('button', { name: 'Previous recording' }).click();
      await sleep(2_000);
      return /^2024-02-29 20:05:/.test(await shownTime(page));
    });
    await plays(page);
  });

  test('says that there is no footage, and leads to some', async (t) => {
    const { url: fresh, store } = await empty(t);
    await push(t, store, 'yard', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    const page = await visit(it, t, `${fresh}/#/play/yard/2025-05-05 05:05:05`);
    await page.getByText('There is no footage in this range.').waitFor();
    await page.getByRole('button', { name: 'Previous recording' }).last().click();
    await plays(page);
    assert.match(await shownTime(page), /^2024-02-29 20:00:/);
  });

  test('a link with an end stops there', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:02:00?end=2021-01-01 00:02:06`);
    await plays(page);
    await page.getByText('End of this range').waitFor();
    assert.match(await shownTime(page), /^2021-01-01 08:02:0[56]/);
    await page.getByRole('button', { name: 'Play on from here' }).click();
    await until('beyond the end', async () => /08:02:(0[789]|1\d)/.test(await shownTime(page)));
  });

  test('a clip is marked and saved as MP4, a picture as PNG', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await plays(page);
    await page.keyboard.press('i');
    await sleep(500);
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => (await secondsOf(page)) >= 8 * 3600 + 70);
    await page.keyboard.press('o');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as MP4' }).click()]);
    assert.match(file.suggestedFilename(), /^demo_2021-01-01T00-0[01]-\d\dZ.*\.mp4$/);
    const mp4 = await readFile(await file.path());
    assert.equal(mp4.subarray(4, 8).toString(), 'ftyp');
    assert.ok(mp4.length > 100_000, `${mp4.length} bytes`);
    await page.getByText(/^Saved, /).waitFor();
    const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save this picture' }).click()]);
    const picture = await readFile(await png.path());
    assert.equal(picture.subarray(1, 4).toString(), 'PNG');
    assert.equal(picture.readUInt32BE(16), 640, 'as wide as the video');
  });
});
