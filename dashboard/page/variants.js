import { h, field, tick, note, failed, confirm, soon, latest } from './dom.js';
import { call, manage, preview, show, pathOf, accepts } from './server.js';
import { controls } from './controls.js';

export async function variantsPage(app, wanted) {
  const { account } = app;
  if (!app.status.api) {
    app.page('Variants', {}, h('p', { class: 'card soft' }, 'The management API is switched off (api.enabled), and with it what changes variants.'));
    return;
  }
  let variants = (await manage(account, 'GET', 'v1/variants')).variants;
  const images = (await call('images', { account: account.hash, limit: 60 })).images;
  const list = h('ul', { class: 'variants' });
  const editor = h('div', { class: 'stack' });

  const names = () => {
    list.replaceChildren(...Object.keys(variants).sort().map((name) => h('li', {}, h('button', { type: 'button', 'aria-pressed': String(name === wanted), onclick: () => open(name) }, h('span', {}, name)))));
  };
  const reload = async () => { variants = (await manage(account, 'GET', 'v1/variants')).variants; names(); };

  // open shows the editor for a variant; '' is a new one.
  const open = async (name) => {
    wanted = name;
    names();
    try { editor.replaceChildren(...await edit(name)); } catch (error) { failed(error); }
  };

  const edit = async (name) => {
    const variant = variants[name] || { options: { fit: 'scale-down', metadata: 'none', width: 800 }, neverRequireSignedURLs: false };
    const { browser_ttl: ttl, border, draw, ...options } = variant.options;
    const read = await call('options', { options });
    const id = h('input', { value: name, required: true, pattern: '[A-Za-z0-9_\\-]{1,99}', disabled: Boolean(name), placeholder: 'thumbnail' });
    const opens = tick('Opens private images in this variant', { checked: variant.neverRequireSignedURLs });
    const life = h('input', { type: 'number', min: 3600, max: 31536000, value: ttl ?? '', placeholder: 'the account’s' });
    const extra = h('textarea', { rows: 3, spellcheck: 'false', value: border || draw ? JSON.stringify({ ...(border && { border }), ...(draw && { draw }) }, null, 1) : '', placeholder: '{"border": {"color": "white", "width": 8}}', oninput: () => redraw() });
    const image = h('select', { onchange: () => redraw() }, images.map((i) => h('option', { value: i.id }, i.id)));
    const img = h('img', { alt: 'Preview of the variant' });
    const stage = h('div', { class: 'stage', id: 'variant-stage' }, img);
    const said = h('p', { class: 'soft small', role: 'status', id: 'variant-said' });
    const problem = h('p', { class: 'error', role: 'alert', hidden: true });
    const form = controls(app.grammar, () => redraw());
    form.set(read.values);

    // all is what would be kept, as the management API spells it.
    const all = async () => {
      let more = {};
      if (extra.value.trim()) {
        try { more = JSON.parse(extra.value); } catch { throw new Error('Expected border and draw as one JSON object'); }
      }
      return { ...(await call('options', { list: form.list() || 'fit=scale-down' })).options, ...more };
    };
    const draw1 = latest(async (current) => {
      if (!image.value) { said.textContent = 'Upload an image to see the variant.'; return; }
      stage.classList.add('busy');
      try {
        const made = await preview({ url: pathOf(account, image.value, 'public'), accept: accepts[0].value, options: await all() });
        if (!current()) return;
        await show(img, made.blob);
        said.textContent = `${img.naturalWidth}×${img.naturalHeight} · ${made.type.replace('image/', '').toUpperCase()} · ${(made.bytes / 1000).toFixed(1)} kB`;
        problem.hidden = true;
      } catch (error) {
        if (!current()) return;
        problem.textContent = error.message;
        problem.hidden = false;
      } finally { if (current()) stage.classList.remove('busy'); }
    });
    const redraw = soon(250, draw1);
    draw1();

    const save = async (event) => {
      event.preventDefault();
      try {
        const body = { options: await all(), neverRequireSignedURLs: opens.firstChild.checked };
        if (life.value) body.options.browser_ttl = Number(life.value);
        if (name) await manage(account, 'PATCH', `v1/variants/${name}`, body);
        else await manage(account, 'POST', 'v1/variants', { id: id.value, ...body });
        note(`${id.value} is saved; it is in force now`);
        wanted = id.value;
        await reload();
        if (!name) editor.replaceChildren(...await edit(id.value));
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
    };
    const remove = async () => {
      if (!await confirm(`Delete the variant ${name}?`, 'URLs that name it are refused from now on.', 'Delete')) return;
      try {
        await manage(account, 'DELETE', `v1/variants/${name}`);
        note(`${name} is deleted`);
        await reload();
        open('public');
      } catch (error) { failed(error); }
    };
    return [h('form', { class: 'two lane', onsubmit: save },
      h('div', { class: 'stack' },
        h('div', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, name || 'New variant'), image && h('div', { class: 'row' }, h('label', { for: 'variant-image' }, 'On'), h('div', {}, Object.assign(image, { id: 'variant-image' })))), stage, said, problem),
        h('div', { class: 'card' }, form.element)),
      h('div', { class: 'card' }, field('Name', id), opens, field('Seconds in browsers', life), field('Border and draw (JSON)', extra),
        h('div', { class: 'row' }, h('button', { class: 'main' }, 'Save'), name && name !== 'public' && h('button', { type: 'button', class: 'bad', onclick: remove }, 'Delete'))))];
  };

  app.page('Variants', { below: h('p', { class: 'soft' }, 'Named sets of options. A change is in force at once.'), beside: h('button', { type: 'button', class: 'main', onclick: () => open('') }, 'New variant') },
    h('div', { class: 'split' }, h('nav', { class: 'card', 'aria-label': 'Variants' }, list), editor));
  await open(variants[wanted] ? wanted : Object.keys(variants).includes('public') ? 'public' : Object.keys(variants)[0] || '');
}
