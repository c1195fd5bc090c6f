// SPDX-License-Identifier: Apache-2.0

// Much footage and many cameras: a week on the timeline, a jump to anywhere in it, sixteen live pictures, the first load.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sleep } from './lib/chrome.mjs';
import { empty, push } from './lib/push.mjs';
import { median, until } from './lib/server.mjs';
import { site, visit } from './lib/visit.mjs';
import { fill } from './lib/week.mjs';

const it = site();
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const utc = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
const long = process.env.S3CAM_TEST_LONG === '1';
const times = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)].toFixed(1);
  return `median ${at(0.5)}, 95 % ${at(0.95)}, 99 % ${at(0.99)}, most ${at(1)} ms of ${sorted.length}`;
};

/** coverage answers as the server would if every three seconds of the last seven days were there, with sizes that vary. */
function coverage(url, now) {
  const q = new URL(url).searchParams;
  const from = Math.max(Math.ceil(Date.parse(q.get('start')) / 3000) * 3000, Math.floor((now - 7 * day) / 3000) * 3000);
  const to = Math.min(Date.parse(q.get('end')), now);
  const n = Math.max(0, Math.floor((to - from) / 3000));
  const ranges = n === 0 ? [] : [{ start: new Date(from).toISOString(), end: new Date(from + n * 3000).toISOString(), segments: n, bytes: n * 40_000 }];
  if (n > 0 && q.get('activity') === '1') {
    const step = { minute: 60, hour: 3600 }[q.get('resolution')];
    const count = step === undefined ? n : Math.ceil((n * 3) / step);
    const bytes = Array.from({ length: count }, (_, i) => 30_000 + ((i * 7919) % 50_000));
    ranges[0].activity = step === undefined
      ? { start: ranges[0].start, durations: Array(count).fill(3000), bytes }
      : { start: ranges[0].start, step, bytes };
  }
  return { camera_id: q.get('camera_id'), ranges };
}

/** What the bar is told is there, the player does not find. */
const notThere = /replay\.m3u8|status of 404|VIDEOJS/;

describe('a week of segments of three seconds on the timeline', () => {
  test('is panned and zoomed with little work for each frame', async (t) => {
    const page = await visit(it, t, 'about:blank', { expected: notThere });
    await page.addInitScript(() => {
      const work = window.s3camWork = { frames: [], script: [], fills: [], paints: 0, most: 0 };
      let fills = 0;
      for (const name of ['fillRect', 'fillText', 'fill']) {
        const draw = CanvasRenderingContext2D.prototype[name];
        CanvasRenderingContext2D.prototype[name] = function (...args) {
          fills++;
          return draw.apply(this, args);
        };
      }
      const request = window.requestAnimationFrame.bind(window);
      let spent = 0;
      let last;
      const each = (at) => {
        if (work.on) {
          if (last !== undefined) {
            work.frames.push(at - last);
          }
          work.script.push(spent);
          work.fills.push(fills);
        }
        last = at;
        spent = 0;
        fills = 0;
        request(each);
      };
      request(each);
      window.requestAnimationFrame = (f) => request((at) => {
        const begun = performance.now();
        f(at);
        spent += performance.now() - begun;
      });
    });
    const now = Date.now();
    await page.route(/\/coverage\?/, (route) => route.fulfill({ json: coverage(route.request().url(), now) }));
    await page.goto(`${it.url}/#/play/demo/${utc(now - 3 * day)}`);
    await page.waitForSelector('.timeline');
    const box = await page.locator('.timeline').boundingBox();
    await page.waitForSelector('.timeline');
    for (const span of ['7 days', '1 day', '6 h', '1 h', '10 min']) {
      await page.getByLabel('Time that the timeline shows').selectOption({ label: span });
      await sleep(300);
      await page.evaluate(() => Object.assign(window.s3camWork, { on: true, frames: [], script: [], fills: [] }));
      await page.mouse.move(box.x + box.width / 2, box.y + 50);
      await page.mouse.down(); // on the labels: the bar moves
      for (let i = 0; i < 40; i++) {
        await page.mouse.move(box.x + box.width / 2 + 300 * Math.sin(i / 6), box.y + 50);
        await sleep(12);
      }
      await page.mouse.up();
      for (let i = 0; i < 30; i++) {
        await page.mouse.wheel(0, i < 15 ? -40 : 40);
        await sleep(12);
      }
      const work = await page.evaluate(() => Object.assign(window.s3camWork, { on: false }));
      t.diagnostic(`${span}: frames ${times(work.frames)}; script in a frame ${times(work.script)}; drawing calls at most ${Math.max(...work.fills)}`);
      assert.ok(span.endsWith('days') || Math.max(...work.fills) > 100, 'what is recorded was drawn');
      assert.ok(work.script.filter((s) => s > 0).length > 20, 'it was drawn while it moved');
      // Two bars for every four pixels, ticks and the rest: what is drawn does not grow with what is recorded.
      assert.ok(Math.max(...work.fills) < 1500, `${Math.max(...work.fills)} drawing calls in one frame`);
    }
  });

  test('asks for little, whatever is looked at', async (t) => {
    const page = await visit(it, t, 'about:blank', { expected: notThere });
    const now = Date.now();
    let asked = 0;
    await page.route(/\/coverage\?/, (route) => {
      asked++;
      return route.fulfill({ json: coverage(route.request().url(), now) });
    });
    await page.goto(`${it.url}/#/play/demo/${utc(now - 3 * day)}`);
    await page.waitForSelector('.timeline');
    await sleep(1500);
    for (const [span, most] of [['1 h', 4], ['6 h', 10], ['1 day', 4], ['7 days', 4], ['31 days', 8]]) {
      asked = 0;
      await page.getByLabel('Time that the timeline shows').selectOption({ label: span });
      await sleep(1200);
      assert.ok(asked <= most, `${span}: ${asked} requests`);
    }
  });
});

test('a jump to anywhere in seven days shows its picture soon', async (t) => {
  const { url, store, data } = await empty(t);
  const template = Date.UTC(2024, 2, 8, 0, 0, 0);
  await push(t, store, 'yard', '--speed', 'max', '--start', utc(template)).done;
  const begin = template - 7 * day;
  const bucket = join(data, 'video');
  if (long) {
    fill(bucket, 'yard', template, begin, (7 * day) / 3000, 3000); // 201,600 segments
  } else {
    for (let d = 0; d < 7; d++) {
      fill(bucket, 'yard', template, begin + d * day + 2 * hour, 400, 3000); // 20 minutes of each day
    }
  }
  const page = await visit(it, t, `${url}/#/play/yard/${utc(begin + 2 * hour + 600 * second)}`);
  await page.evaluate(() => localStorage.setItem('s3cam.zone', 'utc'));
  await page.reload();
  await page.waitForSelector('.player[data-status=playing]', { timeout: 30_000 });
  const found = [];
  let seed = 7;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let i = 0; i < 15; i++) {
    const target = long
      ? begin + 20 * minute + random(7 * day - 40 * minute)
      : begin + ((i * 3) % 7) * day + 2 * hour + 30 * second + random(18 * minute);
    const to = Math.floor(target / 1000) * 1000;
    // As a link in a list of events would do it: a place in the address, which opens the view anew, is the longest way.
    const ms = await page.evaluate(async (hash) => {
      const begun = performance.now();
      const old = document.querySelector('video');
      location.hash = hash;
      await new Promise((resolve, reject) => {
        const timer = setInterval(() => {
          const video = document.querySelector('video');
          if (video !== null && video !== old) {
            clearInterval(timer);
            video.requestVideoFrameCallback(() => resolve());
          } else if (performance.now() - begun > 20_000) {
            clearInterval(timer);
            reject(new Error('no picture within 20 s'));
          }
        }, 5);
      });
      return performance.now() - begun;
    }, `#/play/yard/${utc(to)}`);
    found.push(ms);
    const shown = async () => Date.parse(`${(await page.textContent('.picture-time')).trim().slice(0, 19).replace(' ', 'T')}Z`);
    await page.waitForSelector('.player[data-status=playing]', { timeout: 20_000 });
    const apart = (await shown()) - to;
    assert.ok(apart >= -1000 && apart < 8_000, `asked for ${utc(to)}, ${apart} ms away is shown`);
  }
  t.diagnostic(`${long ? 'seven full days' : 'twenty minutes of each of seven days'}: picture after ${times(found)}`);
  assert.ok(median(found) < 5_000, `median ${median(found)} ms`); // the goal of 1.5 s is for an idle machine
});

test('sixteen live pictures play, none falls behind by more than a segment', async (t) => {
  const { url, store } = await empty(t);
  for (let i = 0; i < 16; i++) {
    push(t, store, `cam${two(i)}`, '--speed', 'realtime');
  }
  const page = await visit(it, t, `${url}/#/`, { expected: /404/ });
  await until('all sixteen play', () => page.evaluate(() => document.querySelectorAll('.tile .player[data-status=playing]').length === 16), 60_000);
  // The clips last 20 s: what is measured lies before their end.
  const read = () => page.evaluate(() => [...document.querySelectorAll('.tile')].map((tile) => {
    const video = tile.querySelector('video');
    const q = video?.getVideoPlaybackQuality();
    return {
      name: tile.querySelector('.name').textContent, time: video?.currentTime ?? 0, frames: q?.totalVideoFrames ?? 0, dropped: q?.droppedVideoFrames ?? 0,
      behind: Number(/(\d+\.\d)/.exec(tile.querySelector('.state').textContent)?.[1]),
    };
  }));
  const before = await read();
  const begun = Date.now();
  await sleep(5_000);
  const after = await read();
  const elapsed = (Date.now() - begun) / 1000;
  const rates = after.map((a, i) => (a.time - before[i].time) / elapsed);
  const behind = after.map((a) => a.behind).filter((b) => b > 0);
  t.diagnostic(`latency ${times(behind.map((b) => b * 1000))}; speed ${Math.min(...rates).toFixed(2)} to ${Math.max(...rates).toFixed(2)}; ` +
    `dropped ${after.reduce((n, a) => n + a.dropped, 0)} of ${after.reduce((n, a) => n + a.frames, 0)} pictures`);
  assert.equal(behind.length, 16);
  assert.ok(Math.max(...behind) - median(behind) < 3.5, `${Math.max(...behind)} s behind, the median is ${median(behind)} s`);
});

test('the first load is usable soon, and the player is not waited for', async (t) => {
  const found = [];
  for (let i = 0; i < 5; i++) {
    const page = await visit(it, t, 'about:blank');
    const begun = Date.now();
    await page.goto(`${it.url}/#/`, { waitUntil: 'commit' });
    await page.waitForSelector('.tile-link');
    found.push(Date.now() - begun);
    await page.close();
  }
  t.diagnostic(`first load with an empty cache until the cameras can be clicked: ${times(found)}`);
  assert.ok(median(found) < 5_000, `median ${median(found)} ms`); // the goal of 1 s is for an idle machine
});

function two(n) {
  return String(n).padStart(2, '0');
}
