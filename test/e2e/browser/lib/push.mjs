// SPDX-License-Identifier: Apache-2.0

// An empty server, and cameras that come and go.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atEnd, start, tempDir, until } from './server.mjs';

const sample = (name) => fileURLToPath(new URL(`../../../../internal/simcam/${name}`, import.meta.url));
const clip = sample('workshop.h264');
const keys = { S3CAM_S3_ACCESS_KEY: 'BROWSERTESTS', S3CAM_S3_SECRET_KEY: 'browser-tests-browser-tests-browser' };

/** empty starts `s3cam serve` on an empty directory: its page's address, its store's, and the directory. */
export async function empty(t, ...args) {
  const data = await tempDir(t);
  const s = await start(t, ['serve', '--anonymous', '--http', '127.0.0.1:0', '--s3', '127.0.0.1:0', '--data', data, ...args],
    /serves (http:\/\/127\.0\.0\.1:\d+)\//, keys);
  const store = await until('the store address', () =>
    s.lines.map((line) => /endpoint\s+(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1]).find((url) => url !== undefined));
  return { url: s.url, store, data };
}

/** withSound are further arguments of push for a clip that can be heard. */
export const withSound = ['--input', sample('front-door.h264'), '--audio', sample('front-door.aac')];

/** push runs `s3cam push` of a 20 s clip for a camera; the result has stop() and done, its exit. */
export function push(t, store, camera, ...args) {
  const child = spawn(process.env.S3CAM_BIN, ['push', '--camera', camera, '--input', clip, '--fps', '15',
    '--s3-url', store, '--bucket', 'video', '--region', 'us-east-1', ...args],
  { env: { ...process.env, ...keys }, stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (b) => { text = (text + b).slice(-4000); });
  const done = once(child, 'exit').then(([code, signal]) => {
    if (code !== 0 && signal !== 'SIGKILL' && !child.stopped) {
      throw new Error(`s3cam push ended with ${code}:\n${text}`);
    }
  });
  done.catch(() => {});
  const stop = async () => {
    child.stopped = true;
    child.kill('SIGINT');
    await done;
  };
  atEnd(t, () => child.exitCode ?? child.kill('SIGKILL'));
  return { done, stop };
}
