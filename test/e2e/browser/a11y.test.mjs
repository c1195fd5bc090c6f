// SPDX-License-Identifier: Apache-2.0

// Every view through the eyes of axe-core, light and dark, and the page by keyboard alone.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { locked } from './lib/locked.mjs';
import { empty, push } from './lib/push.mjs';
import { until } from './lib/server.mjs';
import { plays, site, visit } from './lib/visit.mjs';

const { source } = createRequire(import.meta.url)('axe-core');
const it = site();

/** clean asserts that axe finds nothing wrong with the page as it is. */
async function clean(page, what) {
  await page.evaluate(source); // not a script element: the page's policy would refuse it
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `    ${n.target.join(' ')}  ${n.failureSummary.replaceAll('\n', ' ')}`).join('\n')}`);
  assert.deepEqual(found, [], what);
}

for (const colorScheme of ['light', 'dark']) {
  describe(`axe-core finds nothing, ${colorScheme}`, { concurrency: 4 }, () => {
    const playing = (page) => page.waitForSelector('.player[data-status=playing]', { timeout: 30_000 });
    const views = [
      ['the wall', '/#/', (page) => page.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 })],
      ['live', '/#/live/front-door', playing],
      ['a replay with the clip panel open', '/#/play/demo/2021-01-01 00:00:05', async (page) => {
        await playing(page);
        await page.keyboard.press('i');
      }],
      ['the end of a range', '/#/play/demo/2021-01-01 00:00:00?end=2021-01-01 00:00:03',
        (page) => page.waitForSelector('.player[data-status=ended]', { timeout: 30_000 })],
      ['no footage', '/#/play/demo/2022-01-01 00:00:00', (page) => page.waitForSelector('.player[data-status=failed]')],
      ['cameras together', '/#/sync/front-door/workshop',
        (page) => page.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 })],
      ['no such page', '/#/nowhere', (page) => page.waitForSelector('.notice')],
      ['the list of keys', '/#/play/demo/2021-01-01 00:00:05', async (page) => {
        await playing(page);
        await page.keyboard.press('?');
        await page.waitForSelector('dialog[open] kbd');
      }],
      ['the choice of a zone', '/#/nowhere', async (page) => {
        await page.locator('header select.zone').selectOption('other');
        await page.waitForSelector('dialog[open] input');
      }],
      ['a server that is away', '/#/', async (page) => {
        await page.waitForSelector('.tile');
        await page.route(/cameras|m3u8/, (route) => route.abort('connectionrefused'));
        await page.waitForSelector('.banner:not([hidden])', { timeout: 20_000 });
      }, /request|console/],
    ];
    for (const [name, address, ready, expected] of views) {
      test(name, async (t) => {
        const page = await visit(it, t, `${it.url}${address}`, { colorScheme, expected });
        await ready(page);
        await clean(page, name);
      });
    }
    test('the first run', async (t) => {
      const { url } = await empty(t);
      const page = await visit(it, t, `${url}/#/`, { colorScheme });
      await page.waitForSelector('.notice pre');
      await clean(page, 'first run');
    });
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe-core finds nothing where people log in and share, ${colorScheme}`, async (t) => {
    const password = 'correct horse battery';
    const server = await locked(t);
    const stranger = /40[013]|Failed to load resource|VIDEOJS: ERROR/;
    const setup = await visit(it, t, server.setup, { colorScheme, expected: stranger });
    await clean(setup, 'setup');
    await server.add('root', password, '--role', 'admin');
    await server.add('anna', password, '--camera', 'other');
    await push(t, server.store, 'gate', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    const page = await visit(it, t, `${server.url}/#/play/gate/2024-02-29 12:00:03`, { colorScheme, expected: stranger });
    await page.waitForURL(/\/login/);
    await clean(page, 'login');
    const login = async (name, word) => {
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill(word);
      await page.getByRole('button', { name: 'Log in' }).click();
    };
    await login('root', 'wrong horse battery');
    await page.getByRole('alert').waitFor();
    await clean(page, 'a wrong password');
    await login('root', password);
    await plays(page);
    await page.getByRole('button', { name: /^Account: / }).click();
    await page.waitForSelector('dialog[open]');
    await clean(page, 'the account');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Share', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open] form');
    await clean(page, 'the dialog for sharing');
    await page.getByRole('button', { name: 'Make the link' }).focus();
    await page.keyboard.press('Enter');
    const field = page.getByLabel('Link', { exact: true });
    await field.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Copy', 'what comes next has the focus');
    await clean(page, 'the link that was made');
    const link = await field.inputValue();
    await page.keyboard.press('Escape');
    await page.goto(`${server.url}/password`);
    await clean(page, 'changing the password');

    const guest = await visit(it, t, link, { colorScheme, expected: stranger });
    await plays(guest);
    await guest.getByRole('button', { name: 'You watch by a link' }).click();
    await guest.waitForSelector('dialog[open]');
    await clean(guest, 'what a link shows');
    await guest.keyboard.press('Escape');
    await guest.goto(`${server.url}/#/live/other`);
    await guest.getByRole('heading', { name: 'This link does not show this' }).waitFor();
    await clean(guest, 'not in the link');
    const cut = await visit(it, t, `${link.slice(0, -5)}`, { colorScheme, expected: stranger });
    await cut.getByRole('heading', { name: 'This link is not valid' }).waitFor();
    await clean(cut, 'a link that is not valid');
    const bare = await visit(it, t, 'about:blank', { colorScheme, expected: stranger, allow: [server.url] });
    await bare.route('**/config.json', (route) => route.fulfill({ json: { apiBase: '' } })); // as on a site without a login
    await bare.goto(`${server.url}/#/`);
    await bare.getByLabel('Link or token').fill('nothing');
    await bare.keyboard.press('Enter');
    await bare.getByText('There is no token in this.').waitFor();
    await clean(bare, 'a link is needed');
    await page.goto(`${server.url}/logout`);
    await clean(page, 'logging out');
  });
}

describe('by keyboard', { concurrency: 3 }, () => {
  test('what has the focus can be seen, in the order of the page, and nothing holds it', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:00:05`);
    await plays(page);
    await page.evaluate(() => { document.activeElement?.blur(); });
    const seen = [];
    for (let i = 0; i < 90; i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        if (e === null || e === document.body) {
          return undefined;
        }
        const s = getComputedStyle(e);
        const r = e.getBoundingClientRect();
        return {
          name: e.getAttribute('aria-label') ?? e.textContent.trim().slice(0, 40), outline: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0,
          shadow: s.boxShadow !== 'none' || s.textShadow !== 'none', size: r.width * r.height, video: e.closest('.video-js') !== null,
        };
      });
      if (at === undefined) {
        break;
      }
      seen.push(at);
    }
    assert.ok(seen.length > 25 && seen.length < 90, `${seen.length} stops`);
    assert.deepEqual(seen.filter((s) => !s.outline && !s.shadow).map((s) => s.name), [], 'no focus ring');
    assert.deepEqual(seen.filter((s) => s.size === 0 && !s.video).map((s) => s.name), [], 'focus on something that is not there');
    const names = seen.map((s) => s.name);
    for (const name of ['Time zone', 'Timeline', 'Speed', 'Live', 'Previous recording']) {
      assert.ok(names.includes(name), `${name} is reached: ${names.join(', ')}`);
    }
    assert.ok(names.indexOf('Live') < names.indexOf('Timeline'));
  });

  test('the timeline says the moment when it is moved, and not while it plays', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await plays(page);
    const bar = page.locator('.timeline');
    await bar.focus();
    const text = () => bar.getAttribute('aria-valuetext');
    const before = await text();
    assert.match(before, /^2021-01-01 08:01:\d\d Asia\/Shanghai, UTC\+08:00$/);
    await page.evaluate(() => {
      window.s3camSaid = 0;
      new MutationObserver((l) => { window.s3camSaid += l.length; })
        .observe(document.querySelector('.timeline'), { attributes: true, attributeFilter: ['aria-valuetext', 'aria-valuenow'] });
    });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal(await page.evaluate(() => window.s3camSaid), 0, 'times announced while it plays');
    await page.keyboard.press('ArrowUp');
    await until('a minute on', async () => /08:02:\d\d/.test(await text()));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('PageUp');
    await page.keyboard.press('PageUp');
    await page.keyboard.press('Home');
    await page.getByText(/no footage|Connecting|Waiting/i).first().waitFor({ timeout: 5_000 }).catch(() => {});
    const span = () => bar.evaluate((e) => Number(e.ariaValueMax) - Number(e.ariaValueMin));
    const wide = await span();
    await bar.focus();
    await page.keyboard.press('+');
    await until('zoomed in', async () => (await span()) < wide);
    await page.keyboard.press('-');
    await until('and out', async () => (await span()) === wide);
  });

  test('"?" lists the keys, Escape closes the list and the page has the keys again', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/demo/2021-01-01 00:01:00`);
    await plays(page);
    await page.keyboard.press('?');
    const list = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await list.waitFor();
    assert.ok(await list.locator('kbd').count() >= 15);
    await page.keyboard.press('Space');
    assert.equal(await page.evaluate(() => document.querySelector('video').paused), false, 'keys belong to the list');
    if (await list.isVisible()) { // the space bar pressed its close button
      await page.keyboard.press('Escape');
    }
    await list.waitFor({ state: 'hidden' });
    await page.locator('h1').click();
    await page.keyboard.press('Space');
    await until('paused', () => page.evaluate(() => document.querySelector('video').paused));
  });
});
