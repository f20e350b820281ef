import { h, field, tick, bytes, day, note, failed, confirm, copyable, soon, latest } from './dom.js';
import { call, manage, upload, preview, show, pathOf, untold } from './server.js';

const types = (type) => type.replace('image/', '').replace('+xml', '').toUpperCase();

// thumbnails are made when they come into view.
function thumbnails(account) {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      seen.unobserve(entry.target);
      const img = entry.target;
      preview({ url: pathOf(account, img.dataset.id, 'public'), accept: 'image/webp', options: { width: 420, height: 315, fit: 'cover' } })
        .then((made) => show(img, made.blob)).catch(() => { img.replaceWith(h('span', { class: 'soft small' }, 'No preview')); });
    }
  }, { rootMargin: '200px' });
  return seen;
}

function item(image, seen) {
  const img = h('img', { alt: '', 'data-id': image.id, width: 420, height: 315 });
  seen.observe(img);
  return h('li', {}, h('a', { href: `#/images/${image.id.split('/').map(encodeURIComponent).join('/')}` },
    h('div', { class: 'thumb' }, img),
    h('div', { class: 'caption' },
      h('b', { title: image.id }, image.id),
      h('span', { class: 'soft small' }, `${image.width}×${image.height} · ${types(image.type)} · ${bytes(image.bytes)}`),
      image.private && h('span', {}, h('span', { class: 'badge on' }, 'Private')))));
}

export async function imagesPage(app) {
  const { account } = app;
  let seen = thumbnails(account);
  let next = null;
  const gallery = h('ul', { class: 'gallery', id: 'gallery' });
  const more = h('button', { type: 'button', hidden: true, onclick: () => load(true) }, 'More');
  const empty = h('div', { class: 'card empty', hidden: true });
  const count = h('p', { class: 'soft', role: 'status' });
  const search = h('input', { type: 'search', placeholder: 'Id, file name or creator', oninput: soon(200, () => load(false)) });

  const load = latest(async (current, further) => {
    try {
      const page = await call('images', { account: account.hash, search: search.value, limit: 60, after: further ? next : undefined });
      if (!current()) return;
      if (!further) {
        seen.disconnect();
        seen = thumbnails(account);
        gallery.replaceChildren();
      }
      gallery.append(...page.images.map((image) => item(image, seen)));
      next = page.next;
      more.hidden = !next;
      empty.hidden = gallery.children.length > 0;
      empty.textContent = search.value ? `No image has “${search.value}” in its id, file name or creator.` : 'There are no images yet. Drop some above.';
      count.textContent = `${gallery.children.length}${next ? '+' : ''} ${gallery.children.length === 1 && !next ? 'image' : 'images'}${search.value ? ' found' : ''}`;
    } catch (error) { failed(error); }
  });

  app.page('Images', { below: count, beside: h('div', { class: 'field' }, h('label', { for: 'search', class: 'hidden' }, 'Search images'), Object.assign(search, { id: 'search' })) },
    app.status.api ? uploader(app, () => load(false)) : h('p', { class: 'card soft' }, 'The management API is switched off (api.enabled), so images can be looked at and not changed.'),
    gallery, empty, h('div', { class: 'row' }, more));
  await load(false);
  return () => seen.disconnect();
}

function uploader(app, done) {
  const list = h('ul', { class: 'uploads', 'aria-label': 'Uploads' });
  const byName = tick('Use file names as ids', { checked: true });
  const secret = tick('Private');
  const files = h('input', { type: 'file', multiple: true, accept: 'image/*', class: 'hidden', id: 'files', tabindex: '-1', 'aria-hidden': 'true', onchange: () => { take(files.files); files.value = ''; } });

  const one = async (file) => {
    const bar = h('progress', { max: 1, value: 0, 'aria-label': `Upload of ${file.name}` });
    const state = h('span', { class: 'soft small' }, 'Waiting');
    const row = h('li', {}, h('span', { class: 'name' }, file.name), bar, state);
    list.append(row);
    const form = new FormData();
    if (byName.firstChild.checked) form.append('id', file.name.replace(/\.[^.]+$/, ''));
    if (secret.firstChild.checked) form.append('requireSignedURLs', 'true');
    form.append('file', file);
    try {
      if (file.size > app.status.max_bytes) throw new Error(`Larger than ${bytes(app.status.max_bytes)}`);
      const image = await upload(app.account, form, (part) => { bar.value = part; state.textContent = part < 1 ? `${Math.round(part * 100)} %` : 'Being read'; });
      bar.value = 1;
      state.textContent = 'Done';
      note(`${image.id} uploaded`);
      setTimeout(() => row.remove(), 4000);
    } catch (error) {
      bar.remove();
      state.className = 'error small';
      state.textContent = error.message;
      row.append(h('button', { type: 'button', class: 'plain', 'aria-label': `Dismiss ${file.name}`, onclick: () => row.remove() }, 'Dismiss'));
    }
  };
  const take = async (chosen) => {
    const queue = [...chosen];
    await Promise.all([0, 1, 2].map(async () => { while (queue.length) await one(queue.shift()); }));
    done();
  };
  const zone = h('div', { class: 'drop', id: 'drop' },
    h('div', { class: 'row' }, h('button', { type: 'button', class: 'main', onclick: () => files.click() }, 'Upload images'), h('span', { class: 'soft' }, 'or drop them here')),
    h('div', { class: 'row' }, byName, secret), files);
  let depth = 0;
  zone.addEventListener('dragenter', () => { depth++; zone.classList.add('over'); });
  zone.addEventListener('dragleave', () => { if (--depth === 0) zone.classList.remove('over'); });
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    zone.classList.remove('over');
    take(event.dataTransfer.files);
  });
  return h('section', { class: 'stack', 'aria-label': 'Upload' }, zone, list);
}

export async function imagePage(app, id) {
  const { account } = app;
  const found = await call('images', { account: account.hash, id });
  const image = found.images[0];
  if (!image) throw new Error(`There is no image ${id}`);
  const path = `v1/${id.split('/').map(encodeURIComponent).join('/')}`;
  const img = h('img', { alt: `Preview of ${id}` });
  const stage = h('div', { class: 'stage busy' }, img);
  const meta = h('textarea', { rows: 6, spellcheck: 'false', value: JSON.stringify(image.meta, null, 2) });
  const creator = h('input', { value: image.creator });
  const secret = tick('Needs a signature or a token', { checked: image.private });
  const problem = h('p', { class: 'error', role: 'alert', hidden: true });

  const save = async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      let metadata;
      try { metadata = JSON.parse(meta.value || '{}'); } catch { throw new Error('Expected metadata that is one JSON object'); }
      await manage(account, 'PATCH', path, { metadata, creator: creator.value, requireSignedURLs: secret.firstChild.checked });
      note('Saved; it is in force now');
      badge(secret.firstChild.checked);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };
  const state = h('span', {});
  const badge = (on) => { state.className = on ? 'badge on' : 'badge'; state.textContent = on ? 'Private' : 'Public'; };
  badge(image.private);

  const remove = async () => {
    if (!await confirm(`Delete ${id}?`, 'From now on nobody is served it. The original is removed; this cannot be undone.', 'Delete')) return;
    try {
      await manage(account, 'DELETE', path);
      note(`${id} is deleted`);
      location.hash = '#/images';
    } catch (error) { failed(error); }
  };
  const purge = async () => {
    try {
      const gone = await call('purge', { account: account.hash, image: id });
      note(`Purged: every size is made anew${untold(gone)}`);
    } catch (error) { failed(error); }
  };
  const variants = h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, 'Variant'), h('th', {}, 'URL'))), h('tbody', {}));
  const fill = async () => {
    if (!app.status.api) return;
    const all = (await manage(account, 'GET', 'v1/variants')).variants;
    variants.tBodies[0].append(...Object.keys(all).sort().map((name) => h('tr', {}, h('td', {}, name), h('td', {}, copyable(app.status.delivery + pathOf(account, id, name), `URL of ${name}`)))));
  };

  app.page(id, {
    below: h('div', { class: 'row' }, state, h('span', { class: 'soft small' }, `Uploaded ${day(image.uploaded)}`)),
    beside: h('div', { class: 'row' }, h('a', { class: 'button', href: `#/playground/${id.split('/').map(encodeURIComponent).join('/')}` }, 'Open in the playground'),
      h('button', { type: 'button', onclick: purge }, 'Purge'), app.status.api && h('button', { type: 'button', class: 'bad', onclick: remove }, 'Delete')),
  },
  h('div', { class: 'two' },
    h('div', { class: 'stack' }, stage, h('section', { class: 'card' }, h('h2', {}, 'URLs'), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'URLs by variant' }, variants))),
    h('div', { class: 'stack' },
      h('section', { class: 'card' }, h('h2', {}, 'Original'), h('dl', { class: 'facts' },
        [['File', image.filename || '–'], ['Format', types(image.type)], ['Size', `${image.width}×${image.height}`], ['Bytes', bytes(image.bytes)], image.frames > 1 && ['Frames', image.frames]]
          .filter(Boolean).map(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]))),
      app.status.api && h('form', { class: 'card', onsubmit: save }, h('h2', {}, 'Record'), secret, field('Creator', creator), field('Metadata (JSON)', meta), problem, h('div', {}, h('button', { class: 'main' }, 'Save'))))));

  preview({ url: pathOf(account, id, 'public'), accept: 'image/webp', options: { width: 1400, height: 1400, fit: 'scale-down' } })
    .then((made) => show(img, made.blob)).catch((error) => stage.replaceChildren(h('p', { class: 'error' }, error.message))).finally(() => stage.classList.remove('busy'));
  await fill();
}
