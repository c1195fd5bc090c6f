// SPDX-License-Identifier: Apache-2.0

// The rolling playlist, watched at the same time by hls.js, Video.js, ffmpeg and the page: none of them stalls, fetches a
// segment twice or leaves one out. S3CAM_TEST_ROLLING says for how long.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { about, launch, open, sleep } from './lib/chrome.mjs';
import { gapless, Reloads } from './lib/playlists.mjs';
import { proxy } from './lib/proxy.mjs';
import { demo, footage, until } from './lib/server.mjs';

const seconds = Number(process.env.S3CAM_TEST_ROLLING || 40);
const step = 3;
const camera = 'front-door';
const playlist = (client) => `/as/${client}/playlist.m3u8?camera_id=${camera}`;

/** ffmpeg decodes the live playlist for the time given and returns the pictures counted and what it complained about. */
async function ffmpeg(url, forSeconds) {
  const child = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'warning', '-progress', 'pipe:1', '-i', url,
    '-t', String(forSeconds), '-map', '0', '-f', 'null', '-'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let progress = '';
  let complaints = '';
  child.stdout.on('data', (b) => { progress = (progress + b).slice(-2000); });
  child.stderr.on('data', (b) => { complaints += b; });
  const [code] = await once(child, 'exit');
  return { code, complaints, frames: Number([...progress.matchAll(/frame=(\d+)/g)].at(-1)?.[1] ?? 0) };
}

test(`the rolling playlist plays for ${seconds} s in hls.js, Video.js, ffmpeg and the page`, async (t) => {
  const url = await demo(t);
  const front = await proxy(t, url);
  const browser = await launch(t);
  await footage(url, camera, 6); // what players start from: a full window
  const clients = {
    hlsjs: `${front.url}/__test/hlsjs#${encodeURIComponent(playlist('hlsjs'))}`,
    videojs: `${front.url}/__test/videojs#${encodeURIComponent(playlist('videojs'))}`,
    page: `${front.url}/as/page/#/live/${camera}`,
  };
  const tabs = {};
  for (const [name, address] of Object.entries(clients)) {
    tabs[name] = await open(browser, { viewport: { width: 700, height: 500 } });
    await tabs[name].page.goto(address);
  }
  const decoded = ffmpeg(front.url + playlist('ffmpeg'), seconds);
  const watching = { on: true };
  const reloads = new Reloads();
  const watched = (async () => {
    while (watching.on) {
      const reply = await fetch(`${url}/playlist.m3u8?camera_id=${camera}`);
      assert.equal(reply.status, 200);
      assert.match(reply.headers.get('content-type'), /mpegurl/i);
      reloads.check(await reply.text());
      await sleep(400);
    }
  })();
  watched.catch(() => {});

  const from = {};
  for (const [name, { page }] of Object.entries(tabs)) {
    await until(`${name} plays`, async () => ((await about(page))?.total ?? 0) > 5);
  }
  await sleep(2_000); // a start is not yet playback: a player may still settle
  for (const [name, { page }] of Object.entries(tabs)) {
    from[name] = { ...(await about(page)), at: Date.now() };
  }
  await sleep(Math.max(seconds * 1000 - 4_000, 10_000));

  for (const [name, { page, faults }] of Object.entries(tabs)) {
    const now = await about(page);
    const elapsed = (Date.now() - from[name].at) / 1000;
    const played = now.time - from[name].time;
    const errors = await page.evaluate(() => window.playerErrors ?? []);
    await page.goto('about:blank'); // a request that the end of the test cuts off is no fault
    assert.deepEqual(now.stalls.slice(from[name].stalls.length), [], `${name} stalled`);
    assert.ok(Math.abs(played - elapsed) < 0.1 * elapsed, `${name} played ${played} s in ${elapsed} s`);
    const pictures = now.total - from[name].total; // decoded: what is drawn of several tabs depends on the machine
    assert.ok(pictures > 12 * elapsed, `${name} decoded ${pictures} pictures in ${elapsed} s`);
    assert.deepEqual(errors, [], `errors of ${name}`);
    assert.deepEqual(faults, [], `what ${name} went through`);
    const segments = gapless(front.requests, name, step);
    assert.ok(segments >= elapsed / step - 1, `${name} fetched ${segments} segments`);
    const polls = front.requests.filter((r) => r.client === name && r.path.includes('.m3u8')).length;
    t.diagnostic(`${name}: ${played.toFixed(1)} s played in ${elapsed.toFixed(1)} s, ${segments} segments, ${polls} playlist requests, ` +
      `${now.busy - from[name].busy} waits with data at hand`);
  }
  const { code, complaints, frames } = await decoded;
  assert.equal(code, 0);
  assert.equal(complaints, '', 'ffmpeg complained');
  assert.ok(Math.abs(frames - 15 * seconds) <= 15, `ffmpeg decoded ${frames} pictures in ${seconds} s`);
  t.diagnostic(`ffmpeg: ${frames} pictures, ${gapless(front.requests, 'ffmpeg', step)} segments`);
  watching.on = false;
  await watched;
  t.diagnostic(`${reloads.states} reloads of the playlist held against each other by hls-parser (strict) and ours`);
});
