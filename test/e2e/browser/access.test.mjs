// SPDX-License-Identifier: Apache-2.0

// Who may watch, as people meet it: the first admin, logging in and out, passwords, viewers of some cameras, links and their ends.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, sleep } from './lib/chrome.mjs';
import { elsewhere } from './lib/elsewhere.mjs';
import { camera, foreign, locked, recorded } from './lib/locked.mjs';
import { empty, push } from './lib/push.mjs';
import { footage, until } from './lib/server.mjs';
import { plays, shownTime, visit } from './lib/visit.mjs';

const dir = process.env.S3CAM_TEST_SCREENSHOTS;
const password = 'correct horse battery';
const stranger = /401|Failed to load resource.*Unauthorized/; // a browser says so of each question that the server does not answer
const it = {};
let server;

before(async () => {
  const lifetime = { hooks: [], after(f) { this.hooks.push(f); } };
  it.lifetime = lifetime;
  [server, it.browser] = await Promise.all([locked(lifetime, '--camera-zone', 'yard/north=Europe/Berlin'), launch(lifetime)]);
  it.url = server.url;
  await server.add('root', password, '--role', 'admin');
  await server.add('anna', password, '--camera', 'gate');
  await server.add('otto', password, '--camera', 'gate', '--share');
  await push(lifetime, server.store, 'gate', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
  await push(lifetime, server.store, 'yard/north', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
  camera(lifetime, server.store, 'gate', '--segment', '1s');
  await recorded(server.url, await server.token('--camera', '*'), 'gate', 4);
});
after(async () => {
  for (const f of it.lifetime.hooks.reverse()) {
    await f();
  }
});

/** pictures takes a page as it is on a phone and on a desk, light and dark: to be looked at. */
async function pictures(page, name) {
  if (!dir) {
    return;
  }
  for (const [width, colorScheme] of [[1440, 'light'], [390, 'dark'], [390, 'light'], [1440, 'dark']]) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await page.emulateMedia({ colorScheme });
    await sleep(150);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name} at ${width} px is ${wide} px too wide`);
    await page.screenshot({ path: join(dir, `access-${name}-${width}-${colorScheme}.png`) });
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}

async function fillLogin(page, name, word) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(word);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** login opens an address as a stranger does, logs in, and is where it wanted to be. */
async function login(t, name, { address = '/#/', url = it.url, ...options } = {}) {
  const page = await visit(it, t, `${url}${address}`, { ...options, expected: new RegExp(`${stranger.source}|${options.expected?.source ?? '^$'}`) });
  await page.waitForURL(/\/login/);
  await fillLogin(page, name, password);
  await page.waitForURL((u) => !u.pathname.includes('login'));
  return page;
}

const account = (page) => page.getByRole('button', { name: /^Account: / });

/** made makes a link in the open dialog and returns it. */
async function made(page) {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Make the link' }).click();
  await dialog.getByRole('button', { name: 'Copy' }).waitFor();
  return dialog.getByLabel('Link', { exact: true }).inputValue();
}

describe('the first admin', () => {
  test('is made at the address that the server printed, once', async (t) => {
    const fresh = await locked(t);
    const page = await visit(it, t, fresh.setup, { expected: /40[013]/ });
    await page.getByRole('heading', { name: 'First admin' }).waitFor();
    await pictures(page, 'setup');
    const fill = async (name, word, again) => {
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('New password', { exact: true }).fill(word);
      await page.getByLabel('New password again').fill(again);
      await page.getByRole('button', { name: 'Begin' }).click();
    };
    await fill('root', password, 'something else');
    await page.getByText('The two new passwords are not the same.').waitFor();
    await fill('root', 'short', 'short');
    await page.getByText(/needs at least \d+ characters/).waitFor();
    await fill('root', password, password);
    await page.getByText('No footage yet').waitFor();
    await account(page).waitFor();
    await page.goto(fresh.setup);
    await page.getByText('This address is not, or no longer, good.').waitFor();
    const other = await visit(it, t, `${fresh.url}/`, { expected: stranger });
    await other.waitForURL(/\/login/);
    await fillLogin(other, 'root', password);
    await other.getByText('No footage yet').waitFor();
  });

  test('is asked for where there is nobody yet', async (t) => {
    const fresh = await locked(t);
    const page = await visit(it, t, `${fresh.url}/#/live/gate`, { expected: stranger });
    await page.getByText('Nobody can log in yet.').waitFor();
  });
});

describe('logging in', { concurrency: 2 }, () => {
  test('a wrong password is told, the right one leads to where one wanted to go', async (t) => {
    const page = await visit(it, t, `${it.url}/#/play/gate/2024-02-29 12:00:03`, { expected: stranger });
    await page.waitForURL(/\/login/);
    await pictures(page, 'login');
    await fillLogin(page, 'root', 'wrong horse battery');
    await page.getByText('Name and password do not belong together.').waitFor();
    assert.equal(await page.getByLabel('Name').inputValue(), 'root');
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    assert.equal(await page.getByLabel('Password').evaluate((e) => e === document.activeElement), true, 'one types the password again');
    await pictures(page, 'login-wrong');
    await fillLogin(page, 'root', password);
    await page.waitForURL(/#\/play\/gate\/2024-02-29%2012:00:/);
    await plays(page);
    await account(page).click();
    await page.getByText('Signed in as root · Administrator').waitFor();
    await pictures(page, 'account');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  test('too many guesses are told to wait', async (t) => {
    const fresh = await locked(t);
    await fresh.add('root', password, '--role', 'admin');
    const page = await visit(it, t, `${fresh.url}/`, { expected: /401|429/ });
    await page.waitForURL(/\/login/);
    const said = page.getByText(/^Too many attempts\. Try again in \d+ seconds?\./);
    for (let i = 0; i < 11 && !(await said.isVisible()); i++) {
      await fillLogin(page, 'root', `guess number ${i}`);
      await page.getByRole('alert').waitFor();
    }
    await said.waitFor();
    await fillLogin(page, 'root', password); // also for one who knows it, from here
    await said.waitFor();
    await pictures(page, 'login-wait');
  });

  test('speaks Chinese', async (t) => {
    const page = await visit(it, t, `${it.url}/`, { expected: stranger, locale: 'zh-CN' });
    await page.getByRole('heading', { name: '登录' }).waitFor();
    await page.getByLabel('用户名').fill('root');
    await page.getByLabel('密码').fill(password);
    await page.getByRole('button', { name: '登录' }).click();
    await page.getByRole('button', { name: '账户: root' }).click();
    await page.getByText('当前用户：root').waitFor();
    await page.getByRole('button', { name: '退出登录' }).click();
    await page.getByRole('heading', { name: '登录' }).waitFor();
  });

  test('and out again: the page is closed', async (t) => {
    const page = await login(t, 'anna');
    await page.waitForSelector('.tile');
    await account(page).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(/\/login$/);
    await page.goto(`${it.url}/#/live/gate`);
    await page.waitForURL(/\/login/);
    assert.equal(await page.locator('.tile, .player').count(), 0);
  });
});

test('a new password ends the other sessions; a page that is open says so and goes on after signing in', async (t) => {
  await server.add('mia', password);
  const other = await login(t, 'mia');
  await other.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 });
  const page = await login(t, 'mia', { address: '/#/live/gate', expected: /40[01]/ });
  await plays(page);
  await account(page).click();
  await page.getByRole('link', { name: 'Change password' }).click();
  const change = async (current, next, again = next) => {
    await page.getByLabel('Current password').fill(current);
    await page.getByLabel('New password', { exact: true }).fill(next);
    await page.getByLabel('New password again').fill(again);
    await page.getByRole('button', { name: 'Change password' }).click();
  };
  await page.getByRole('heading', { name: 'Change password' }).waitFor();
  await pictures(page, 'password');
  await change('not this one', 'another long password');
  await page.getByText('Name and password do not belong together.').waitFor();
  await change(password, 'another long password', 'and one more');
  await page.getByText('The two new passwords are not the same.').waitFor();
  await change(password, 'another long password');
  await page.getByText('The password is changed. Other browsers have been logged out.').waitFor().catch(async (e) => {
    throw new Error(`the page says instead: ${await page.locator('body').innerText()}`, { cause: e });
  });
  await page.getByRole('link', { name: 'To the cameras' }).click();
  await page.waitForSelector('.tile');

  await other.getByText('Your session has ended. Sign in again to go on.').waitFor();
  assert.equal(await other.locator('.tile').count(), 2, 'what is known stays');
  await pictures(other, 'session-ended');
  await other.locator('.banner').getByRole('link', { name: 'Sign in' }).click();
  await fillLogin(other, 'mia', password);
  await other.getByText('Name and password do not belong together.').waitFor();
  await fillLogin(other, 'mia', 'another long password');
  await other.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 });
});

describe('a viewer of one camera', { concurrency: 2 }, () => {
  test('sees that one, cannot share it, and is told of others that they are not for him', async (t) => {
    const page = await login(t, 'anna', { expected: /403|VIDEOJS: ERROR/ });
    await page.waitForSelector('.tile .player[data-status=playing]', { timeout: 30_000 });
    assert.deepEqual(await page.locator('.tile .name').allTextContents(), ['gate']);
    await page.getByRole('link', { name: 'Watch gate live' }).click();
    await plays(page);
    assert.equal(await page.getByRole('button', { name: 'Share', exact: true }).count(), 0);
    for (const address of ['/#/live/yard%2Fnorth', '/#/play/yard%2Fnorth/2024-02-29 12:00:03']) {
      await page.goto(`${it.url}${address}`);
      await page.getByRole('heading', { name: 'You are not allowed to see this.' }).waitFor();
    }
    await page.getByRole('link', { name: 'Sign in as somebody else' }).waitFor();
    await pictures(page, 'denied');
    await page.getByRole('link', { name: 'All cameras' }).click();
    await page.waitForSelector('.tile');
  });
});

describe('a link', { concurrency: 2 }, () => {
  test('to a camera is made and copied by who may, and opens for who has no account', async (t) => {
    const page = await login(t, 'otto', { address: '/#/play/gate/2024-02-29 12:00:03', permissions: ['clipboard-read', 'clipboard-write'] });
    await plays(page);
    await page.getByRole('button', { name: 'Share', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Share gate' });
    await dialog.getByText(/^It opens at 2024-02-29 20:00:\d\d \(Asia\/Shanghai, UTC\+08:00\)\.$/).waitFor();
    await pictures(page, 'share');
    await dialog.getByLabel('How long the link is good').selectOption({ label: '7 days' });
    const link = await made(page);
    await dialog.getByText(/^Good until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \(Asia\/Shanghai, UTC\+08:00\)\. Whoever has it can watch/).waitFor();
    const until7 = Date.parse(`${/Good until ([\d-]+ [\d:]+)/.exec(await dialog.textContent())[1].replace(' ', 'T')}+08:00`);
    assert.ok(Math.abs(until7 - Date.now() - 7 * 86_400_000) < 120_000, 'seven days from now');
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await dialog.getByText('Copied.').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    await pictures(page, 'share-made');
    assert.match(link, new RegExp(`^${it.url}/#/play/gate/2024-02-29%2012:00:\\d\\d\\?token=s3t1\\.[\\w-]+\\.[\\w-]+$`));

    const guest = await visit(it, t, link, { expected: /403|VIDEOJS: ERROR/, permissions: ['clipboard-read', 'clipboard-write'] });
    await plays(guest);
    await guest.getByRole('button', { name: 'Copy a link to this moment' }).click();
    await guest.getByText(/^Link copied\. It carries your own permission, and is good until 20/).waitFor();
    assert.equal((await guest.evaluate(() => navigator.clipboard.readText())).split('token=')[1], link.split('token=')[1], 'else it would open for nobody');
    assert.match(await shownTime(guest), /^2024-02-29 20:00:/);
    assert.ok(!guest.url().includes('token'), `the address bar shows ${guest.url()}`);
    assert.deepEqual((await guest.context().cookies()), []);
    assert.equal(await guest.getByRole('button', { name: 'Share', exact: true }).count(), 0);
    await guest.keyboard.press('i');
    await guest.getByText('This link does not allow saving clips.').waitFor();
    assert.equal(await guest.getByRole('button', { name: 'Save as MP4' }).count(), 0);
    await guest.getByRole('button', { name: 'Live', exact: true }).click();
    await plays(guest);
    await guest.reload();
    await plays(guest);
    await guest.getByRole('link', { name: 'All cameras' }).click();
    await guest.waitForSelector('.tile .player[data-status=playing]', { timeout: 60_000 });
    assert.deepEqual(await guest.locator('.tile .name').allTextContents(), ['gate']);
    await guest.getByRole('button', { name: 'You watch by a link' }).click();
    await guest.getByText('This link shows gate.').waitFor();
    await pictures(guest, 'link-account');
    await guest.keyboard.press('Escape');
    await guest.goto(`${it.url}/#/live/yard%2Fnorth`);
    await guest.getByRole('heading', { name: 'This link does not show this' }).waitFor();
    await pictures(guest, 'link-other');
    await guest.getByRole('link', { name: 'Watch gate live' }).click();
    await plays(guest);
  });

  test('to a marked piece shows that and nothing else, and clips of it', async (t) => {
    const page = await login(t, 'root', { address: '/#/play/yard%2Fnorth/2024-02-29 12:00:03' });
    await plays(page);
    await page.keyboard.press('i');
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => /20:00:1\d/.test(await shownTime(page)));
    await page.keyboard.press('o');
    await page.getByRole('button', { name: 'Share this piece' }).click();
    const dialog = page.getByRole('dialog');
    assert.equal(await dialog.getByLabel(/^Only from 2024-02-29 20:00:0\d until 2024-02-29 20:00:1\d/).isChecked(), true);
    await dialog.getByLabel('Saving clips is allowed').check();
    await pictures(page, 'share-piece');
    const link = await made(page);
    assert.match(link, /#\/play\/yard%2Fnorth\/2024-02-29%2012:00:0\d\?end=2024-02-29%2012:00:1\d&token=s3t1\./);

    const guest = await visit(it, t, link);
    await plays(guest);
    assert.match(await shownTime(guest), /^2024-02-29 20:00:/);
    await guest.getByText(/^This link shows only what was recorded from 2024-02-29 20:00:0\d until 2024-02-29 20:00:1\d/).waitFor();
    assert.equal(await guest.getByRole('button', { name: 'Live', exact: true }).count(), 0);
    await pictures(guest, 'link-piece');
    await guest.keyboard.press('l');
    for (const key of ['Shift+ArrowLeft', 'ArrowRight', 'Shift+ArrowRight', 'n', 'p', 'ArrowLeft']) {
      await guest.keyboard.press(key); // whatever is pressed, nothing else is asked for: visit holds a 403 against it
      await sleep(300);
    }
    await guest.keyboard.press('Shift+ArrowLeft');
    await guest.keyboard.press('i');
    await guest.keyboard.press('ArrowRight');
    await until('later', async () => /20:00:(0[89]|1\d)/.test(await shownTime(guest)));
    await guest.keyboard.press('o');
    const [file] = await Promise.all([guest.waitForEvent('download'), guest.getByRole('button', { name: 'Save as MP4' }).click()]);
    assert.equal((await readFile(await file.path())).subarray(4, 8).toString(), 'ftyp');
    assert.match(file.suggestedFilename(), /^yard-north_2024-02-29T12-00-\d\dZ.*\.mp4$/);
    await guest.route(/clip\.mp4/, async (route) => {
      const reply = await route.fetch();
      await route.fulfill({ response: reply, headers: { ...reply.headers(), 'x-s3cam-estimated-bytes': '2000000000' } });
    });
    const [large] = await Promise.all([guest.waitForEvent('download'), guest.getByRole('button', { name: 'Save as MP4' }).click()]);
    assert.match(large.url(), /clip\.mp4\?.*&token=s3t1\./, 'a download that the browser follows by itself');
    assert.equal((await readFile(await large.path())).subarray(4, 8).toString(), 'ftyp');
    await guest.getByRole('link', { name: 'All cameras' }).click();
    await guest.getByRole('link', { name: 'Replay of yard/north' }).waitFor();
    await guest.waitForSelector('.tile-picture canvas:not([hidden])');
    await pictures(guest, 'link-piece-wall');
    await guest.getByRole('link', { name: 'Replay of yard/north' }).click();
    await plays(guest);
    await guest.locator('select.zone').selectOption('camera'); // which the server tells to those who may see it
    assert.match(await shownTime(guest), /^2024-02-29 13:00:\d\d \(Europe\/Berlin, UTC\+01:00\)$/);
  });

  test('that expires while it is watched, or has expired, says so and what to do', async (t) => {
    const token = await server.token('--camera', 'gate', '--for', '12s');
    const page = await visit(it, t, `${it.url}/#/live/gate?token=${token}`, { expected: /401|VIDEOJS: ERROR/ });
    await plays(page);
    await page.getByRole('heading', { name: 'This link has expired' }).waitFor({ timeout: 60_000 });
    await page.getByText(/^It was good until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \(Asia/).waitFor();
    assert.equal(await page.locator('video').count(), 0);
    await pictures(page, 'expired');
    const again = await visit(it, t, `${it.url}/#/live/gate?token=${token}`, { expected: stranger });
    await again.getByRole('heading', { name: 'This link has expired' }).waitFor();
    await again.getByRole('link', { name: 'Sign in' }).click();
    await fillLogin(again, 'anna', password);
    await again.waitForURL(/#\/live\/gate$/);
    await plays(again);
    await page.getByRole('button', { name: 'Go on without the link' }).click();
    await page.waitForURL(/\/login/);
  });

  test('that was cut off, or whose key was taken back, is refused, and a good one in the same tab opens', async (t) => {
    await server.cli(['token', 'keys', '--new', '--id', 'short']);
    const token = await server.token('--camera', 'gate', '--key', 'short');
    const good = await server.token('--camera', 'yard/north', '--key', 'short');
    await until('the server knows the key', async () => (await fetch(`${it.url}/cameras`, { headers: { Authorization: `Bearer ${good}` } })).ok);
    const page = await visit(it, t, `${it.url}/#/live/gate?token=${token.slice(0, -9)}`, { expected: stranger });
    await page.getByRole('heading', { name: 'This link is not valid' }).waitFor();
    await pictures(page, 'refused');
    await page.goto(`${it.url}/#/play/yard%2Fnorth/2024-02-29 12:00:03?token=${good}`);
    await plays(page);
    await server.cli(['token', 'revoke', 'short']);
    await page.getByRole('link', { name: 'All cameras' }).click();
    await page.getByRole('heading', { name: 'This link is not valid' }).waitFor();
  });

  test('opened by who is logged in takes nothing away from him', async (t) => {
    const token = await server.token('--camera', 'gate');
    const page = await login(t, 'root');
    await page.waitForSelector('.tile');
    await page.goto(`${it.url}/#/?token=${token}`);
    await until('both cameras', async () => (await page.locator('.tile .name').allTextContents()).join() === 'gate,yard/north');
    await account(page).waitFor();

    const piece = await server.token('--camera', 'yard/north', '--start', '2024-02-29 12:00:04', '--end', '2024-02-29 12:00:14');
    const anna = await login(t, 'anna'); // of whose cameras this is none
    await anna.waitForSelector('.tile');
    await anna.goto(`${it.url}/#/play/yard%2Fnorth/2024-02-29 12:00:04?end=2024-02-29 12:00:14&token=${piece}`);
    await plays(anna);
    await anna.getByText(/^This link shows only what was recorded from/).waitFor();
    await anna.keyboard.press('i');
    await anna.getByText('This link does not allow saving clips.').waitFor();
    await anna.goto(`${it.url}/#/play/gate/2024-02-29 12:00:03`);
    await plays(anna);
    await anna.keyboard.press('i');
    await anna.getByRole('button', { name: 'Save as MP4' }).waitFor();
  });

  test('is not needed where everyone may watch: the plain one is offered', async (t) => {
    const { url, store } = await empty(t);
    await push(t, store, 'tor', '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    const page = await visit(it, t, `${url}/#/play/tor/2024-02-29 12:00:03`);
    await plays(page);
    assert.equal(await page.locator('button.account:visible').count(), 0);
    await page.evaluate(() => { Object.defineProperty(navigator, 'clipboard', { value: undefined }); }); // as on a page without TLS
    await page.getByRole('button', { name: 'Share', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Everyone who reaches this server may watch').waitFor();
    assert.match(await dialog.getByLabel('Link', { exact: true }).inputValue(), /#\/play\/tor\/2024-02-29%2012:00:0\d$/);
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await dialog.getByText(/^Copied\.|^The link is selected/).waitFor();
    await pictures(page, 'share-open');
  });
});

test('public cameras are seen without a login, with a way to sign in for the others', async (t) => {
  const fresh = await locked(t, '--public-camera', 'lobby');
  await fresh.add('root', password, '--role', 'admin');
  for (const id of ['lobby', 'vault']) {
    await push(t, fresh.store, id, '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
  }
  const page = await visit(it, t, `${fresh.url}/#/`, { expected: stranger });
  await page.waitForSelector('.tile');
  assert.deepEqual(await page.locator('.tile .name').allTextContents(), ['lobby']);
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await page.goto(`${fresh.url}/#/play/vault/2024-02-29 12:00:03`);
  await page.waitForURL(/\/login/);
  await fillLogin(page, 'root', password);
  await page.waitForURL(/#\/play\/vault/);
  await plays(page);
});

describe('a page of another site', { concurrency: 2 }, () => {
  for (const [action, fields] of [['logout', ''], ['login', '<input name="name" value="anna"><input name="password" value="correct horse battery">'],
    ['password', '<input name="current" value="correct horse battery"><input name="password" value="taken over 1"><input name="repeat" value="taken over 1">']]) {
    test(`cannot post a form to /${action} for somebody who is logged in`, async (t) => {
      const page = await login(t, 'root');
      await account(page).waitFor();
      const before = await page.context().cookies();
      assert.deepEqual(before.map((c) => [c.name, c.httpOnly, c.sameSite]), [['s3cam_session', true, 'Lax']]);
      const there = await foreign(t, `<form method="post" action="${it.url}/${action}">${fields}<button>Win a prize</button></form>`);
      const tab = await page.context().newPage();
      await tab.goto(there);
      const [reply] = await Promise.all([
        tab.waitForResponse((r) => r.url() === `${it.url}/${action}`), tab.getByRole('button', { name: 'Win a prize' }).click()]);
      assert.equal(reply.status(), 403);
      assert.match(await reply.text(), /cross_origin/);
      assert.deepEqual((await page.context().cookies()).map((c) => c.value), before.map((c) => c.value));
      await page.reload();
      await page.waitForSelector('.tile');
      await account(page).waitFor();
    });
  }
});

for (const delivery of ['direct', 'presign']) {
  test(`the site as plain files elsewhere takes links, from the address or pasted (${delivery})`, async (t) => {
    const pages = await elsewhere(t);
    const fresh = await locked(t, '--public-camera', 'lobby', '--cors-origin', pages.origin, ...(delivery === 'direct' ? [] : ['--delivery', delivery]));
    await pages.serve(fresh.url, fresh.url, [fresh.store]);
    for (const id of ['lobby', 'vault']) {
      await push(t, fresh.store, id, '--speed', 'max', '--start', '2024-02-29 12:00:00').done;
    }
    camera(t, fresh.store, 'vault', '--segment', '1s');
    const token = await fresh.token('--camera', 'vault', '--clip');
    await recorded(fresh.url, token, 'vault', 4);
    const allow = [fresh.url, fresh.store];

    const page = await visit(it, t, `${pages.origin}/cams/#/`, { allow, expected: stranger });
    await page.waitForSelector('.tile');
    assert.deepEqual(await page.locator('.tile .name').allTextContents(), ['lobby'], 'without a link');
    const asked = [];
    page.on('request', (r) => asked.push(r));
    await page.goto(`${pages.origin}/cams/#/live/vault?token=${token}`);
    await plays(page);
    assert.ok(!page.url().includes('token'));
    await page.goto(`${pages.origin}/cams/#/play/vault/2024-02-29 12:00:03`);
    await plays(page);
    await page.getByLabel('Time that the timeline shows').selectOption({ label: '10 min' });
    await sleep(500);
    const box = await page.locator('.timeline').boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.waitForSelector('.preview canvas:not([hidden])');
    await page.keyboard.press('i');
    await page.keyboard.press('ArrowRight');
    await until('10 s on', async () => /20:00:1\d/.test(await shownTime(page)));
    await page.keyboard.press('o');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as MP4' }).click()]);
    assert.match(file.suggestedFilename(), /^vault_2024-02-29T12-00-\d\dZ.*\.mp4$/);
    await page.getByRole('link', { name: 'All cameras' }).click();
    await until('the cameras of the link', async () => (await page.locator('.tile .name').allTextContents()).join() === 'vault');
    for (const path of ['cameras', 'coverage', 'clip.mp4']) {
      const calls = asked.filter((r) => r.method() === 'GET' && new URL(r.url()).pathname === `/${path}`);
      assert.ok(calls.length > 0, `${path} was asked for`);
      for (const r of calls) {
        assert.equal(r.headers()['authorization'], `Bearer ${token}`, r.url());
        assert.ok(!r.url().includes('token'), r.url());
      }
    }
    for (const r of asked.filter((x) => new URL(x.url()).origin === fresh.store)) {
      assert.equal(r.headers()['authorization'], undefined, 'what the store gets by a signed address has no token beside it');
      assert.ok(!r.url().includes('token='), r.url());
    }

    const empty_ = await visit(it, t, `${pages.origin}/cams/#/live/vault`, { allow, expected: stranger });
    await empty_.getByRole('heading', { name: 'A link is needed to watch here' }).waitFor();
    await empty_.getByLabel('Link or token').fill('what is this');
    await empty_.getByRole('button', { name: 'Open', exact: true }).click();
    await empty_.getByText('There is no token in this.').waitFor();
    await pictures(empty_, 'needed');
    await empty_.getByLabel('Link or token').fill(` ${pages.origin}/cams/#/play/vault/2024-02-29%2012:00:03?token=${token}`);
    await empty_.keyboard.press('Enter');
    await plays(empty_);
    assert.match(empty_.url(), /#\/play\/vault\/2024-02-29%2012:00:0\d$/);

    const expired = await fresh.token('--camera', 'vault', '--for', '1s');
    await until('it is over', async () => (await fetch(`${fresh.url}/cameras`, { headers: { Authorization: `Bearer ${expired}` } })).status === 401);
    const late = await visit(it, t, `${pages.origin}/cams/#/live/vault?token=${expired}`, { allow, expected: stranger });
    await late.getByRole('heading', { name: 'This link has expired' }).waitFor();
    await pictures(late, 'expired-elsewhere');
    await late.getByLabel('Link or token').fill(token);
    await late.getByRole('button', { name: 'Open', exact: true }).click();
    await plays(late);
  });
}
