// SPDX-License-Identifier: Apache-2.0

// The browser, and pages that hold every error against the test.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { atEnd } from './server.mjs';

function onPath(...names) {
  for (const name of names) {
    for (const dir of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(dir, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // not there
      }
    }
  }
  throw new Error(`none of ${names.join(', ')} is on PATH`);
}

/** launch starts the browser; it ends with the test t. */
export async function launch(t) {
  const browser = await chromium.launch({
    executablePath: process.env.S3CAM_CHROMIUM || onPath('chromium-headless-shell', 'chromium'),
    headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--mute-audio', '--disable-gpu'],
  });
  atEnd(t, () => browser.close());
  return browser;
}

/**
 * open makes a page of its own context whose console errors, warnings about the policy, uncaught exceptions and failed
 * requests are collected in faults. A request that the page itself called off is no fault.
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 }, locale: 'en-GB', timezoneId: 'Asia/Shanghai', ...options,
  });
  const page = await context.newPage();
  const faults = [];
  const requests = [];
  page.on('console', (m) => {
    if (m.type() === 'error') {
      faults.push(`console: ${m.text()}`);
    }
  });
  page.on('pageerror', (e) => faults.push(`exception: ${e.stack ?? e}`));
  page.on('requestfailed', (r) => {
    const reason = r.failure()?.errorText ?? '';
    if (reason !== 'net::ERR_ABORTED') {
      faults.push(`request: ${r.method()} ${r.url()} ${reason}`);
    }
  });
  page.on('response', (r) => {
    requests.push(r.url());
    if (r.status() >= 400) {
      faults.push(`status: ${r.status()} ${r.url()}`);
    }
  });
  await page.addInitScript(watchVideo);
  return { page, faults, requests, close: () => context.close() };
}

/**
 * watchVideo runs in the page before anything else. It offers s3camTest.latest: about the video frame shown last, with
 * the number that the simulated cameras draw into the picture (package simcam: 18 blocks of 16 x 16 pixels, white, black,
 * then 16 bits), s3camTest.stalls: when playback ran dry after it had begun, and s3camTest.still: for how many milliseconds at most
 * no new picture was shown since somebody set it to 0.
 */
function watchVideo() {
  const state = { latest: undefined, frames: 0, stalls: [], busy: 0, still: 0 };
  window.s3camTest = state;
  const canvas = document.createElement('canvas');
  canvas.width = 18;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const watched = new WeakSet();

  const read = (video) => {
    const scale = video.videoWidth / 640;
    // One pixel per block, from its middle.
    context.imageSmoothingEnabled = false;
    context.drawImage(video, 0, 0, 18 * 16 * scale, 16 * scale, 0, 0, 18, 1);
    const pixels = context.getImageData(0, 0, 18, 1).data;
    const bits = Array.from({ length: 18 }, (_, i) => pixels[4 * i] > 128);
    const valid = bits[0] && !bits[1];
    return valid ? bits.slice(2).reduce((n, bit) => 2 * n + Number(bit), 0) : undefined;
  };
  const watch = (video) => {
    // A stall is a wait for data. Chromium also says "waiting" when a busy machine decodes too slowly: then there is
    // data ahead, and nothing that is tested here can help it.
    let stall;
    video.addEventListener('waiting', () => {
      const { length } = video.buffered;
      const ahead = length === 0 ? 0 : video.buffered.end(length - 1) - video.currentTime;
      if (state.frames > 0 && !video.seeking && ahead < 0.2) {
        stall = { at: Date.now(), time: video.currentTime };
        state.stalls.push(stall);
      } else if (!video.seeking && ahead >= 0.2) {
        state.busy++;
      }
    });
    for (const name of ['playing', 'timeupdate']) {
      video.addEventListener(name, () => {
        if (stall && video.currentTime > stall.time) {
          stall.seconds = (Date.now() - stall.at) / 1000;
          stall = undefined;
        }
      });
    }
    let shown;
    const frame = (at, about) => {
      state.still = Math.max(state.still, at - (shown ?? at));
      shown = at;
      const now = Date.now();
      const index = read(video);
      state.frames++;
      const loop = Math.floor(now / 20_000) * 20_000;
      let captured = index === undefined ? undefined : loop + (index * 1000) / 15;
      if (captured > now) {
        captured -= 20_000;
      }
      state.latest = { index, now, mediaTime: about.mediaTime, latency: (now - captured) / 1000 };
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  };
  const look = () => {
    for (const video of document.querySelectorAll('video')) {
      if (!watched.has(video)) {
        watched.add(video);
        watch(video);
      }
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}

/** about reads what the page's video is doing. */
export function about(page) {
  return page.evaluate(() => {
    const video = document.querySelector('video');
    if (!video) {
      return undefined;
    }
    const quality = video.getVideoPlaybackQuality();
    return {
      time: video.currentTime, paused: video.paused, rate: video.playbackRate, width: video.videoWidth,
      frames: window.s3camTest.frames, dropped: quality.droppedVideoFrames, total: quality.totalVideoFrames,
      audioBytes: video.webkitAudioDecodedByteCount, videoBytes: video.webkitVideoDecodedByteCount,
      latest: window.s3camTest.latest, busy: window.s3camTest.busy, muted: video.muted, duration: video.duration,
      // Up to 0.1 s is the browser's own affair: a frame or two, when the machine is busy.
      stalls: window.s3camTest.stalls
        .map((s) => ({ ...s, seconds: s.seconds ?? (Date.now() - s.at) / 1000 })).filter((s) => s.seconds > 0.1),
    };
  });
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
