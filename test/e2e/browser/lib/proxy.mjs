// SPDX-License-Identifier: Apache-2.0

// A proxy in front of the server under test. It serves the pages with other players on the server's own origin, knows
// which client asked for what (a client's addresses begin with /as/NAME/), and breaks things when a test says so.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { atEnd } from './server.mjs';

const require = createRequire(import.meta.url);

const scripts = {
  '/__test/hls.js': () => require.resolve('hls.js/dist/hls.min.js'),
  '/__test/video.js': () => require.resolve('video.js/dist/video.min.js'),
  '/__test/video-js.css': () => require.resolve('video.js/dist/video-js.min.css'),
};

const head = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>player</title>';

/** Each with its default settings: what a customer's own page would do. */
const pages = {
  '/__test/hlsjs': `${head}<script src="/__test/hls.js"></script><video muted autoplay playsinline width="640"></video>
<script>
  const hls = new Hls();
  window.playerErrors = [];
  hls.on(Hls.Events.ERROR, (_, d) => window.playerErrors.push(d.type + ' ' + d.details + (d.fatal ? ' fatal' : '')));
  hls.loadSource(decodeURIComponent(location.hash.slice(1)));
  hls.attachMedia(document.querySelector('video'));
</script>`,
  '/__test/videojs': `${head}<link rel="stylesheet" href="/__test/video-js.css"><script src="/__test/video.js"></script>
<video-js id="v" width="640" height="360"></video-js>
<script>
  window.playerErrors = [];
  const player = videojs('v', { autoplay: 'muted', controls: true, html5: { vhs: { overrideNative: true } } });
  player.on('error', () => window.playerErrors.push('fatal ' + player.error().message));
  player.src({ src: decodeURIComponent(location.hash.slice(1)), type: 'application/x-mpegURL' });
</script>`,
};

/**
 * proxy listens on a free port for the test t. requests holds {client, path, at, status} of every request in order;
 * fault, when set, is called with each path and may return {status}, {hang: true} or {body}.
 */
export async function proxy(t, target) {
  const state = { url: '', requests: [], fault: undefined };
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer(async (req, res) => {
    const page = pages[req.url];
    const script = scripts[req.url];
    if (page !== undefined) {
      res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
      return;
    }
    if (script !== undefined) {
      const type = req.url.endsWith('.css') ? 'text/css' : 'text/javascript';
      res.writeHead(200, { 'Content-Type': type }).end(await readFile(script()));
      return;
    }
    const [, client = '', path] = /^(?:\/as\/([^/]+))?(\/.*)$/.exec(req.url) ?? [undefined, '', req.url];
    const entry = { client, path, at: Date.now(), status: 0 };
    state.requests.push(entry);
    const fault = state.fault?.(path, client);
    if (fault?.hang) {
      return;
    }
    if (fault !== undefined) {
      entry.status = fault.status ?? 200;
      res.writeHead(entry.status, { 'Content-Type': 'application/json' }).end(fault.body ?? '{}');
      return;
    }
    const { host } = new URL(target);
    const forward = http.request(target + path, { method: req.method, agent, headers: { ...req.headers, host } }, (reply) => {
      entry.status = reply.statusCode;
      res.writeHead(reply.statusCode, reply.headers);
      reply.pipe(res);
    });
    forward.on('error', () => res.destroy());
    res.on('close', () => forward.destroy());
    req.pipe(forward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.url = `http://127.0.0.1:${server.address().port}`;
  atEnd(t, () => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  return state;
}
