// SPDX-License-Identifier: Apache-2.0

// From the camera's shutter to the screen: read from the frame number that the simulated cameras draw into the picture,
// which tells when the frame was taken. Printed; held only against bounds that no sound machine exceeds.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { about, launch, open, sleep } from './lib/chrome.mjs';
import { proxy } from './lib/proxy.mjs';
import { demo, footage, median, until } from './lib/server.mjs';

const settle = 6_000;
const sampleEvery = 250;

/** join opens address, lets it play, and returns the median latency over the next seconds. */
async function join(browser, address, seconds, shown) {
  const tab = await open(browser, { viewport: { width: 1000, height: 720 } });
  await tab.page.goto(address);
  await until('pictures', async () => ((await about(tab.page))?.frames ?? 0) > 5);
  await sleep(settle);
  const before = await about(tab.page);
  const samples = [];
  for (let i = 0; i < seconds * 1000 / sampleEvery; i++) {
    samples.push((await about(tab.page)).latest.latency);
    await sleep(sampleEvery);
  }
  const now = await about(tab.page);
  const figure = shown === undefined ? undefined : parseFloat(await tab.page.textContent(shown));
  await tab.close();
  return { latency: median(samples), shown: figure, stalls: now.stalls.slice(before.stalls.length), faults: tab.faults };
}

const figures = (values) => `median ${median(values).toFixed(2)} s of ${values.map((v) => v.toFixed(2)).join(', ')}`;

describe('latency', { concurrency: 2 }, () => {
  for (const { segment, goal, absurd, defaults } of [
    { segment: '3s', goal: 5, absurd: 8, defaults: { goal: 13, absurd: 17 } },
    { segment: '1s', goal: 3, absurd: 6 },
  ]) {
    test(`latency of the page with segments of ${segment}`, async (t) => {
      const url = await demo(t, '--segment', segment);
      const front = await proxy(t, url);
      const browser = await launch(t);
      await footage(url, 'front-door', 6);
      const page = async () => {
        const measured = [];
        for (let i = 0; i < 5; i++) {
          const { latency, shown, stalls, faults } = await join(browser, `${url}/#/live/front-door`, 4, '.latency');
          assert.deepEqual(stalls, [], 'stalls');
          assert.deepEqual(faults, [], 'faults');
          assert.ok(Math.abs(shown - latency) < 0.7, `the page says ${shown} s and is ${latency} s behind`);
          measured.push(latency);
          await sleep(370 * i); // joins fall on different places within a segment
        }
        t.diagnostic(`the page: ${figures(measured)} (goal ${goal} s)`);
        assert.ok(median(measured) < absurd, `${median(measured)} s behind`);
      };
      const others = async () => {
        const joins = async (player) => {
          const values = [];
          for (let i = 0; i < 3; i++) {
            const address = `${front.url}/__test/${player}#${encodeURIComponent('/playlist.m3u8?camera_id=front-door')}`;
            const { latency, stalls } = await join(browser, address, 3);
            assert.deepEqual(stalls, [], `${player} stalled`);
            values.push(latency);
          }
          return [player, values];
        };
        for (const [player, values] of await Promise.all([joins('hlsjs'), joins('videojs')])) {
          t.diagnostic(`${player} with its defaults: ${figures(values)} (goal ${defaults.goal} s)`);
          assert.ok(median(values) < defaults.absurd, `${player} is ${median(values)} s behind`);
        }
      };
      await Promise.all([page(), defaults && others()]);
    });
  }
});
