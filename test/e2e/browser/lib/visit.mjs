// SPDX-License-Identifier: Apache-2.0

// What the tests of the page share: one server and one browser for a file of tests, and looking at what plays.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { about, launch, open, sleep } from './chrome.mjs';
import { atEnd, demo, footage, until } from './server.mjs';

/** site starts the demo and a browser before the tests of a file and ends them after. */
export function site() {
  const lifetime = { hooks: [], after(f) { this.hooks.push(f); } };
  const it = {};
  before(async () => {
    [it.url, it.browser] = await Promise.all([demo(lifetime), launch(lifetime)]);
    await footage(it.url, 'front-door', 3);
  });
  after(async () => {
    await it.also?.();
    for (const f of lifetime.hooks.reverse()) {
      await f();
    }
  });
  return it;
}

/**
 * visit opens a page for the test t and holds everything against it at the end, unless expected allows it. allow are
 * further origins that the page may talk to.
 */
export async function visit(it, t, address, { expected, allow = [], ...options } = {}) {
  const tab = await open(it.browser, options);
  atEnd(t, async () => {
    await tab.close();
    const bad = tab.faults.filter((f) => !expected?.test(f));
    assert.deepEqual(bad, [], 'the page went through these');
    const origins = [new URL(address === 'about:blank' ? it.url : address).origin, ...allow];
    assert.deepEqual(tab.requests.filter((r) => !origins.includes(new URL(r).origin) && !/^(blob|data):/.test(r)), [], 'requests elsewhere');
  });
  await tab.page.goto(address);
  return tab.page;
}

/** plays waits until the picture moves and returns what the video does. */
export async function plays(page, ms = 20_000) {
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
export async function keeps(page, seconds, rate = 1) {
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

export const shownLatency = async (page) => parseFloat(await page.textContent('.latency'));
export const shownTime = async (page) => (await page.textContent('.picture-time')).trim();

