// SPDX-License-Identifier: Apache-2.0

// The site as a bucket or a plain web server has it: files below a path, with nothing behind them, and the API on another origin.

import http from 'node:http';
import { atEnd } from './server.mjs';

/** elsewhere listens on a free port; serve(from, api, others) then offers the files of a running server below /cams/; config is for its config.json. */
export async function elsewhere(t) {
  let files = new Map();
  let policy = '';
  const server = http.createServer((req, res) => {
    const name = new URL(req.url, 'http://x').pathname.replace(/^\/cams\/$/, '/cams/index.html');
    const file = files.get(name);
    if (file === undefined) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { 'Content-Type': file.type, 'Content-Security-Policy': policy }).end(file.body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${server.address().port}`;
  const serve = async (from, api, others, config = {}) => {
    const index = await fetch(`${from}/`);
    policy = index.headers.get('content-security-policy')
      .replace(/(connect-src|media-src) [^;]*/g, (all) => `${all} ${[api, ...others].join(' ')}`);
    const wanted = new Set(['index.html', 'favicon.svg']);
    files = new Map();
    for (const name of wanted) { // grows meanwhile: each file names others
      const reply = await fetch(`${from}/${name}`);
      if (!reply.ok) {
        continue;
      }
      const body = Buffer.from(await reply.arrayBuffer());
      files.set(`/cams/${name}`, { type: reply.headers.get('content-type'), body });
      for (const m of body.toString('latin1').matchAll(/[\w-]+-[\w-]{8}\.(?:js|css)/g)) {
        wanted.add(`assets/${m[0]}`);
      }
    }
    files.set('/cams/config.json', { type: 'application/json', body: JSON.stringify({ apiBase: api, ...config }) });
  };
  return { origin, serve };
}
