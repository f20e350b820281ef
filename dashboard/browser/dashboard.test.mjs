// Drives the dashboard of a running server in a real browser. browser_test.go starts
// the servers and says where they are.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const { DASHBOARD, DELIVERY, GUARDED, GUARDED_TOKEN, PICTURE, CHROMIUM, FOVEA_SCREENSHOTS } = process.env;
const hash = 'FoveaDemoAccountHash00';
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const patience = 60_000; // of a machine that others use, too
let browser;
let page;
let complaints = [];

// open opens a window whose complaints are collected: errors, what the policy
// refused, and every request to another address than the dashboard's own.
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, permissions: ['clipboard-read', 'clipboard-write'], ...options });
  context.setDefaultTimeout(patience);
  const opened = await context.newPage();
  await opened.addInitScript(() => {
    new MutationObserver((changes) => {
      for (const node of changes.flatMap((c) => [...c.addedNodes])) if (node.classList?.contains('bad') && node.classList.contains('note')) console.error(`the page says: ${node.textContent}`);
    }).observe(document, { childList: true, subtree: true });
  });
  opened.on('console', (m) => { if (m.type() === 'error') complaints.push(m.text()); });
  opened.on('pageerror', (error) => complaints.push(error.message));
  opened.on('request', (r) => {
    const url = new URL(r.url());
    if (!['blob:', 'data:'].includes(url.protocol) && ![DASHBOARD, GUARDED].includes(url.origin)) complaints.push(`a request to ${url.origin}`);
  });
  return opened;
}

async function go(path, title, on = page) {
  await on.goto(`${DASHBOARD}/#/${path}`);
  await on.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
}

async function get(path, accept = '*/*') {
  const response = await fetch(path.startsWith('http') ? path : DELIVERY + path, { headers: { accept } });
  return { status: response.status, type: response.headers.get('content-type'), cache: response.headers.get('cache-status'), body: Buffer.from(await response.arrayBuffer()) };
}

// width reads the width of a JPEG from its frame header.
function width(jpeg) {
  for (let i = 2; i < jpeg.length;) {
    const marker = jpeg[i + 1];
    if (marker >= 0xc0 && marker <= 0xc2) return jpeg.readUInt16BE(i + 7);
    i += 2 + jpeg.readUInt16BE(i + 2);
  }
  return 0;
}

async function shot(name, on = page) {
  if (!FOVEA_SCREENSHOTS) return;
  await mkdir(FOVEA_SCREENSHOTS, { recursive: true });
  await on.screenshot({ path: `${FOVEA_SCREENSHOTS}/${name}.png` });
}

// noted waits for a note, and takes it away: the next of the same words is another.
const noted = async (text) => {
  const note = page.locator('.note', { hasText: text }).first();
  await note.waitFor();
  await note.evaluate((element) => element.remove());
};
const path = (id, last) => `/cdn-cgi/imagedelivery/${hash}/${id}/${last}`;

before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--host-resolver-rules=MAP attacker.example 127.0.0.1'] });
  page = await open();
});
after(async () => { await browser?.close(); });

test('an image is uploaded by drag and drop, and found', async () => {
  await go('images', 'Images');
  const bytes = [...await readFile(PICTURE)];
  const files = await page.evaluateHandle((data) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(data)], 'dropped.jpg', { type: 'image/jpeg' }));
    return transfer;
  }, bytes);
  await page.dispatchEvent('#drop', 'dragenter', { dataTransfer: files });
  assert.match(await page.locator('#drop').getAttribute('class'), /over/);
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: files });
  await noted('dropped uploaded');
  await page.setInputFiles('#files', { name: 'chosen.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(bytes) });
  await noted('chosen uploaded');
  await page.setInputFiles('#files', { name: 'no-picture.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture') });
  await page.locator('.uploads .error').waitFor();
  await page.getByRole('button', { name: 'Dismiss no-picture.jpg' }).click();
  assert.equal((await get(path('dropped', 'public'))).status, 200);
  await page.getByRole('searchbox', { name: 'Search images' }).fill('DROP');
  await page.getByText('1 image found').waitFor();
  await page.waitForFunction(() => document.querySelector('#gallery img')?.naturalWidth === 420);
  complaints = complaints.filter((c) => !/415|422|400/.test(c)); // the refused upload, as the browser tells it
});

test('its record is changed, and is in force at once', async () => {
  await page.getByRole('link', { name: /dropped/ }).click();
  await page.getByRole('heading', { level: 1, name: 'dropped' }).waitFor();
  await page.getByLabel('Metadata (JSON)').fill('{"season": ');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Expected metadata that is one JSON object').waitFor();
  await page.getByLabel('Metadata (JSON)').fill('{"season": "autumn"}');
  await page.getByLabel('Creator').fill('me');
  await page.getByLabel('Needs a signature or a token').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await noted('Saved');
  assert.equal((await get(path('dropped', 'public'))).status, 403);
  await page.reload();
  await page.getByText('Private', { exact: true }).waitFor();
  assert.equal(await page.getByLabel('Creator').inputValue(), 'me');
  assert.match(await page.getByLabel('Metadata (JSON)').inputValue(), /autumn/);
  await page.waitForFunction(() => document.querySelector('.stage img')?.naturalWidth > 0); // the operator sees it all the same
});

test('an id that its address spells with escapes is an id like others', async () => {
  await go('images', 'Images');
  await page.setInputFiles('#files', { name: '50% <b> off.jpg', mimeType: 'image/jpeg', buffer: await readFile(PICTURE) });
  await noted('50% <b> off uploaded');
  await page.getByRole('link', { name: /50% <b> off/ }).click();
  await page.getByRole('heading', { level: 1, name: '50% <b> off' }).waitFor();
  await page.getByLabel('Needs a signature or a token').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Private', { exact: true }).waitFor();
});

test('a variant is edited with a live preview', async () => {
  await go('variants', 'Variants');
  await page.getByRole('button', { name: 'New variant' }).click();
  await page.getByRole('heading', { level: 2, name: 'New variant' }).waitFor();
  await page.getByLabel('Name').fill('tile');
  await page.getByLabel('width', { exact: true }).fill('123');
  await page.locator('#variant-said', { hasText: '123×' }).waitFor();
  await page.getByLabel('Border and draw (JSON)').fill('{"border": {"color": "red", "width": 10}}');
  await page.locator('#variant-said', { hasText: '143×' }).waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await noted('tile is saved');
  assert.equal(width((await get(path('landscape', 'tile'))).body), 143);
  await page.getByLabel('Border and draw (JSON)').fill('');
  await page.getByLabel('width', { exact: true }).fill('99');
  await page.locator('#variant-said', { hasText: '99×' }).waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.note').length > 1);
  assert.equal(width((await get(path('landscape', 'tile'))).body), 99);
  await page.reload();
  await page.getByRole('button', { name: 'tile' }).click();
  await page.getByRole('heading', { level: 2, name: 'tile' }).waitFor();
  assert.equal(await page.getByLabel('width', { exact: true }).inputValue(), '99');
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await noted('tile is deleted');
  await page.getByRole('heading', { level: 2, name: 'public' }).waitFor();
  assert.equal((await get(path('landscape', 'tile'))).status, 403);
});

test('the playground has a control for every option, and its URLs are good', async () => {
  await go('playground/landscape', 'Playground');
  const grammar = await page.evaluate(async () => (await fetch('admin/v1/grammar')).json());
  const shown = await page.locator('[data-option]').evaluateAll((list) => list.map((e) => e.dataset.option));
  assert.deepEqual(shown.toSorted(), grammar.map((o) => o.name).toSorted());
  await page.getByLabel('width', { exact: true }).fill('200');
  await page.getByLabel('height', { exact: true }).fill('100');
  await page.getByLabel('fit', { exact: true }).selectOption('cover');
  await page.getByText('Light and colour').click();
  await page.getByLabel('background', { exact: true }).fill('rgb(1, 2, 3)');
  await page.locator('#by-accept tr', { hasText: 'Current browsers' }).getByText('AVIF', { exact: true }).waitFor();
  await page.waitForFunction(() => document.querySelector('.after')?.naturalWidth === 200);
  await page.locator('#by-accept').getByText('JPEG', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Copy URL' }).click();
  await noted('URL copied');
  const url = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(url, new RegExp(`^${DELIVERY}/.*width=200,height=100,fit=cover`));
  const got = await get(url);
  assert.deepEqual([got.status, got.type, width(got.body)], [200, 'image/jpeg', 200]);
  const srcset = await page.getByRole('region', { name: 'markup' }).textContent();
  const candidates = [...srcset.matchAll(/(http\S+) (\d+)w/g)];
  assert.ok(candidates.length >= 4, srcset);
  for (const [, candidate, w] of candidates) assert.equal(width((await get(candidate)).body), Number(w));
  await page.getByText('image:FoveaDemoAccountHash00/landscape').waitFor();
  // The slider moves by the keyboard.
  const slider = page.getByRole('slider', { name: /How much of the original/ });
  await slider.focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.locator('.compare').evaluate((e) => e.style.getPropertyValue('--at')), '51%');
  await shot('playground');
  // Of a private image, the signed URL opens.
  await page.getByLabel('Image id, path or URL').fill('dropped');
  await page.getByText('403').first().waitFor();
  await page.getByRole('button', { name: 'Sign' }).click();
  await page.getByRole('button', { name: 'Copy signed URL' }).click();
  await noted('signed URL copied');
  const signed = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal((await get(signed)).status, 200);
  assert.equal((await get(signed.split('?')[0])).status, 403);
});

test('a purge is felt, and the charts move', async () => {
  const target = path('landscape', 'w=77');
  await get(target);
  assert.match((await get(target)).cache, /hit/);
  await go('traffic', 'Traffic');
  const form = page.locator('#purge');
  await form.getByLabel('What').selectOption('image');
  await form.getByLabel('Its id').fill('landscape');
  await form.getByRole('button', { name: 'Purge' }).click();
  await noted('Purged image:');
  assert.match((await get(target)).cache, /miss/);
  await form.getByLabel('What').selectOption('prefix');
  await form.getByLabel('An id, a path or a URL').fill('land');
  await form.getByRole('button', { name: 'Purge' }).click();
  await page.locator('.note', { hasText: 'landscape' }).or(page.locator('.note', { hasText: 'land…' })).last().waitFor();
  await form.getByLabel('What').selectOption('everything');
  await form.getByRole('button', { name: 'Purge' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Purge everything' }).click();
  await noted('Purged everything');
  assert.match((await get(target)).cache, /miss/);

  const chart = page.getByRole('img', { name: /^Requests: now/ });
  await chart.waitFor();
  const drawn = await chart.locator('.line').getAttribute('d');
  const peak = async () => Number((await chart.getAttribute('aria-label')).match(/most ([\d.,]+)/)?.[1].replace(',', '') ?? 0);
  const was = await peak();
  for (let i = 0; i < 400; i++) await get(target);
  await page.waitForFunction(([old, d]) => {
    const svg = document.querySelector('svg[aria-label^="Requests: now"]');
    return Number(svg.getAttribute('aria-label').match(/most ([\d.,]+)/)[1].replace(',', '')) > old && svg.querySelector('.line').getAttribute('d') !== d;
  }, [was, drawn]);
  assert.ok(await peak() > was);
  await shot('traffic');
});

test('keys are shown on request only, and tokens once', async () => {
  const answers = [];
  const keep = async (r) => { if (r.url().includes('/admin/v1/')) answers.push(await r.text().catch(() => '')); };
  page.on('response', keep);
  await go('access', 'Access');
  await page.getByRole('button', { name: 'Show the key default' }).waitFor();
  const before = answers.join('');
  await page.getByRole('button', { name: 'Show the key default' }).click();
  await page.getByRole('button', { name: 'Copy key default' }).click();
  await noted('key default copied');
  const key = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(key.length > 30 && !before.includes(key));
  await page.reload();
  await page.getByRole('button', { name: 'Show the key default' }).waitFor();
  assert.ok(!(await page.content()).includes(key));
  page.off('response', keep);

  await page.getByLabel('Note').fill('browser');
  await page.getByLabel('May').selectOption('read');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByRole('button', { name: 'Copy token' }).click();
  await noted('token copied');
  const token = await page.evaluate(() => navigator.clipboard.readText());
  const account = await page.evaluate(async () => (await (await fetch('admin/v1/status')).json()).accounts[0].id);
  const ask = async () => (await fetch(`${DELIVERY}/client/v4/accounts/${account}/images/v1`, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.equal(await ask(), 200);
  await page.getByRole('button', { name: 'Revoke browser' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('Revoked').waitFor();
  assert.notEqual(await ask(), 200);
});

test('it is used by the keyboard alone', async () => {
  await go('images', 'Images');
  await page.reload();
  await page.getByRole('link', { name: /landscape/ }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  const link = page.getByRole('link', { name: 'Variants' });
  await link.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Variants' }).waitFor();
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  assert.equal(await link.getAttribute('aria-current'), 'page');
});

test('an image is deleted, once that is confirmed', async () => {
  await go('images/chosen', 'chosen');
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await get(path('chosen', 'public'))).status, 200);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { level: 1, name: 'Images' }).waitFor();
  assert.equal((await get(path('chosen', 'public'))).status, 404);
});

test('where a token is needed, it is asked for and kept in this tab', async () => {
  const guarded = await open();
  await guarded.goto(GUARDED);
  await guarded.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
  await guarded.getByLabel('Admin token').fill('not the token at all');
  await guarded.keyboard.press('Enter');
  await guarded.locator('.note.bad').first().waitFor();
  await guarded.getByLabel('Admin token').fill(GUARDED_TOKEN);
  await guarded.keyboard.press('Enter');
  await guarded.getByRole('link', { name: /landscape/ }).waitFor();
  await guarded.waitForFunction(() => document.querySelector('#gallery img')?.naturalWidth > 0);
  const kept = await guarded.evaluate(() => ({ cookies: document.cookie, local: localStorage.length, page: document.documentElement.outerHTML }));
  assert.deepEqual([kept.cookies, kept.local, kept.page.includes(GUARDED_TOKEN)], ['', 0, false]);
  await guarded.context().close();
  complaints = complaints.filter((c) => !/401|Authorization/.test(c)); // the refusals, as the browser and the page tell them
});

test('pages of other sites can do nothing', async () => {
  const context = await browser.newContext();
  const stranger = await context.newPage();
  const purges = async () => (await page.evaluate(async () => (await fetch('admin/v1/stats')).json())).cache.purges;
  const account = await page.evaluate(async () => (await (await fetch('admin/v1/status')).json()).accounts[0].id);
  const before = await purges();
  // Of another origin: the images' own, on the same host.
  await stranger.goto(DELIVERY + path('landscape', 'w=64'));
  const tried = await stranger.evaluate(async ([base, id]) => {
    const attempt = async (path, options) => {
      try { return (await fetch(base + path, options)).type; } catch (error) { return error.name; }
    };
    const form = new FormData();
    form.append('id', 'smuggled');
    form.append('file', new Blob(['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>']), 'a.svg');
    return {
      asked: await attempt('/admin/v1/purge', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"everything":true}' }),
      unasked: await attempt('/admin/v1/purge', { method: 'POST', mode: 'no-cors', body: '{"everything":true}' }),
      upload: await attempt(`/client/v4/accounts/${id}/images/v1`, { method: 'POST', mode: 'no-cors', body: form }),
      read: await attempt('/admin/v1/tokens', {}),
    };
  }, [DASHBOARD, account]);
  assert.deepEqual([tried.asked, tried.read], ['TypeError', 'TypeError']);
  assert.equal(await purges(), before);
  assert.equal((await get(path('smuggled', 'public'))).status, 404);
  // In a frame of another site.
  await stranger.route('http://frames.example/', (route) => route.fulfill({ contentType: 'text/html', body: `<iframe src="${DASHBOARD}/"></iframe>` }));
  await stranger.goto('http://frames.example/');
  await stranger.waitForFunction(() => frames.length === 1);
  assert.equal(await stranger.frameLocator('iframe').locator('#nav').count(), 0);
  // A name that resolves to this machine is of one origin with itself.
  const rebound = await stranger.goto(`${DASHBOARD.replace('localhost', 'attacker.example')}/admin/v1/status`);
  assert.equal(rebound.status(), 403);
  await context.close();
});

const looks = { light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, hasTouch: true } };
for (const [look, options] of Object.entries(looks)) {
  test(`every page is accessible and fits: ${look}`, async () => {
    const view = await open(options);
    for (const [address, title] of [['images', 'Images'], ['images/landscape', 'landscape'], ['playground/still-life', 'Playground'], ['variants', 'Variants'], ['traffic', 'Traffic'], ['access', 'Access'], ['rules', 'Rules']]) {
      await go(address, title, view);
      await view.waitForFunction(() => [...document.images].every((i) => !i.src || i.complete));
      if (address.startsWith('playground')) {
        await view.waitForFunction(() => document.querySelector('.before')?.naturalWidth > 0 && document.querySelector('#by-accept tr:last-child .n')?.textContent);
        await view.locator('details').evaluateAll((all) => all.forEach((d) => { d.open = true; }));
      }
      await view.evaluate(axe);
      const { violations } = await view.evaluate(() => globalThis.axe.run());
      const bad = violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`);
      assert.deepEqual(bad, [], `${address}, ${look}`);
      const over = await view.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${address} is ${over} pixels too wide`);
      if (address.startsWith('playground')) await view.locator('details').evaluateAll((all) => all.forEach((d, i) => { d.open = i === 0; }));
      await view.waitForTimeout(100);
      await shot(`${look}-${address.replace('/', '-')}`, view);
    }
    await view.context().close();
  });
}

test('nothing was complained of, and nothing else was asked', () => assert.deepEqual(complaints, []));
