// SPDX-License-Identifier: Apache-2.0

// Starts and stops the program under test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const binary = process.env.S3CAM_BIN;
if (!binary) {
  throw new Error('S3CAM_BIN is not set: run these tests by `go test ./test/e2e/browser`');
}

const endings = new WeakMap();

/** atEnd calls f when the test t is over, the latest first: pages are closed before the servers that they talk to. */
export function atEnd(t, f) {
  let list = endings.get(t);
  if (list === undefined) {
    list = [];
    endings.set(t, list);
    t.after(async () => {
      const failures = [];
      for (const end of list.reverse()) {
        try {
          await end();
        } catch (e) {
          failures.push(e);
        }
      }
      if (failures.length > 0) {
        throw failures[0];
      }
    });
  }
  list.push(f);
}

/** tempDir makes a directory that goes away with the test t. */
export async function tempDir(t) {
  const dir = await mkdtemp(join(tmpdir(), 's3cam-browser-'));
  atEnd(t, () => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

/**
 * start runs `s3cam ...args` until the test t ends and resolves when the program has printed an address that ready
 * matches. Its output is shown when it ends early or never gets there.
 */
export async function start(t, args, ready, env = {}) {
  const child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = [];
  let found;
  const where = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (lines.length > 500) {
          lines.shift();
        }
        const m = ready.exec(line);
        if (m && found === undefined) {
          found = m[1];
          resolve(m[1]);
        }
      });
    }
    child.on('exit', (code) => reject(new Error(`s3cam ${args[0]} ended with ${code}:\n${lines.join('\n')}`)));
    setTimeout(() => reject(new Error(`s3cam ${args[0]} is not ready:\n${lines.join('\n')}`)), 60_000).unref();
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGINT');
      const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await gone;
      clearTimeout(late);
    }
  };
  atEnd(t, stop);
  where.catch(() => {}); // a stop after it was found is no news
  return { url: await where, lines, stop };
}

/** demo starts `s3cam demo` and returns the page's address without a trailing slash. */
export async function demo(t, ...args) {
  const data = await tempDir(t);
  const s = await start(t, ['demo', '--http', '127.0.0.1:0', '--s3', '127.0.0.1:0', '--data', data, ...args],
    /(http:\/\/127\.0\.0\.1:\d+)\/#\//);
  return s.url;
}

/** until waits for what get returns to be true or an object, asking every 100 ms. */
export async function until(what, get, ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await get();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${ms / 1000} s in vain: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** footage waits until the camera has so many segments in its live window. */
export async function footage(url, camera, segments) {
  await until(`${segments} segments of ${camera}`, async () => {
    const reply = await fetch(`${url}/playlist.m3u8?camera_id=${encodeURIComponent(camera)}`);
    const text = await reply.text();
    return reply.ok && (text.match(/#EXTINF/g) ?? []).length >= segments;
  }, 90_000);
}

/** median of numbers */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
