// SPDX-License-Identifier: Apache-2.0

// A server on which people log in, and what its operator does at the command line.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { push } from './push.mjs';
import { atEnd, start, tempDir, until } from './server.mjs';

const keys = { S3CAM_S3_ACCESS_KEY: 'BROWSERTESTS', S3CAM_S3_SECRET_KEY: 'browser-tests-browser-tests-browser' }; // as push has them

/**
 * locked starts `s3cam serve --login` on an empty directory: the page's address, the store's, the directory, and at setup the address
 * at which the first admin is made. cli runs the program for that directory and returns what it prints.
 */
export async function locked(t, ...args) {
  const data = await tempDir(t);
  const s = await start(t, ['serve', '--login', '--http', '127.0.0.1:0', '--s3', '127.0.0.1:0', '--data', data, ...args],
    /serves (http:\/\/127\.0\.0\.1:\d+)\//, keys);
  const find = (what, pattern) => until(what, () =>
    s.lines.map((line) => pattern.exec(line)?.[1]).find((url) => url !== undefined));
  const store = await find('the store address', /endpoint\s+(http:\/\/127\.0\.0\.1:\d+)/);
  const setup = await find('the setup address', /(http:\/\/\S+\/setup\?token=\S+)/);
  const cli = async (words, input = '') => {
    const child = spawn(process.env.S3CAM_BIN, [...words, '--data', data], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (b) => { out += b; });
    child.stderr.on('data', (b) => { err += b; });
    child.stdin.end(input);
    const [code] = await once(child, 'close');
    assert.equal(code, 0, `s3cam ${words.join(' ')}: ${err}`);
    return out.trim();
  };
  const add = async (name, password, ...more) => {
    await cli(['user', 'add', name, '--password-stdin', ...more], `${password}\n`);
    await until(`${name} is let in`, async () => {
      const page = await (await fetch(`${s.url}/login`)).text(); // without a form as long as the server knows nobody
      const reply = page.includes('name="password"') && await fetch(`${s.url}/session`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name, password }),
      });
      return reply.ok;
    });
  };
  const token = (...more) => cli(['token', 'make', ...more]);
  return { url: s.url, store, data, setup, cli, add, token };
}

/** camera sends a clip over and over, as long as the test t runs. */
export function camera(t, store, id, ...args) {
  let over = false;
  let running;
  const loop = async () => {
    while (!over) {
      running = push(t, store, id, ...args);
      await running.done;
    }
  };
  atEnd(t, async () => {
    over = true;
    await running?.stop();
  });
  loop().catch((e) => {
    if (!over) {
      throw e;
    }
  });
}

/** recorded waits until the camera has so many segments in its live window, as the holder of a token sees it. */
export async function recorded(url, token, id, segments) {
  await until(`${segments} segments of ${id}`, async () => {
    const reply = await fetch(`${url}/playlist.m3u8?camera_id=${encodeURIComponent(id)}`, { headers: { Authorization: `Bearer ${token}` } });
    return reply.ok && ((await reply.text()).match(/#EXTINF/g) ?? []).length >= segments;
  }, 90_000);
}

/** foreign is a page of another site, with forms that aim at a server. */
export async function foreign(t, html) {
  const server = http.createServer((_, res) => {
    res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<!doctype html><link rel="icon" href="data:,">${html}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}/`;
}
