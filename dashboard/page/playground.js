import { h, field, bytes, millis, failed, copyable, soon, latest } from './dom.js';
import { call, preview, show, pathOf, accepts } from './server.js';
import { controls, picker } from './controls.js';

const short = (type) => type.replace('image/', '').replace('+xml', '').toUpperCase() || '–';

export async function playgroundPage(app, wanted) {
  const { account, status } = app;
  const images = (await call('images', { account: account.hash, limit: 60 })).images;
  const pick = picker(images.map((i) => i.id), wanted || images[0]?.id || '', () => redraw());
  const form = controls(app.grammar, () => redraw());
  form.set({ width: '800', format: 'auto' });

  const before = h('img', { alt: 'The original', class: 'before' });
  const after = h('img', { alt: 'The result', class: 'after' });
  const slide = h('input', { type: 'range', min: 0, max: 100, value: 50, 'aria-label': 'How much of the original is shown, in percent', oninput: () => compare.style.setProperty('--at', `${slide.value}%`) });
  const compare = h('div', { class: 'compare' }, before, after, slide, h('div', { class: 'bar' }), h('span', { class: 'tag left', 'aria-hidden': 'true' }, 'Original'), h('span', { class: 'tag right', 'aria-hidden': 'true' }, 'Result'));
  const stage = h('div', { class: 'stage' }, compare);
  const problem = h('p', { class: 'error', role: 'alert', hidden: true });
  const warnings = h('div', { class: 'stack' });
  const rows = accepts.map((a, i) => ({
    radio: h('input', { type: 'radio', name: 'shown', value: i, checked: i === 0, id: `accept-${i}`, onchange: () => redraw() }),
    type: h('td', {}), size: h('td', { class: 'n' }), saved: h('td', { class: 'n' }), took: h('td', { class: 'n' }), accept: a,
  }));
  const table = h('table', { id: 'by-accept' }, h('thead', {}, h('tr', {}, ['Browser', 'Format'].map((t) => h('th', {}, t)), ['Bytes', 'Saved', 'Made in'].map((t) => h('th', { class: 'n' }, t)))),
    h('tbody', {}, rows.map((r) => h('tr', {}, h('td', {}, h('label', { class: 'tick', for: r.radio.id, title: r.accept.value }, r.radio, h('span', {}, r.accept.name))), r.type, r.size, r.saved, r.took))));
  const url = copyable('', 'URL');
  const srcset = copyable('', 'markup', true);
  const signed = copyable('', 'signed URL');
  signed.hidden = true;
  const life = h('select', {}, [[3600, '1 hour'], [86400, '1 day'], [2592000, '30 days']].map(([n, text]) => h('option', { value: n }, text)));
  const facts = h('dl', { class: 'facts' });

  // target is the path of what is set; of a stored image, or of a source.
  const target = (list = form.list() || 'fit=scale-down') => {
    const source = pick.input.value.trim();
    if (/^https?:\/\//.test(source) || source.startsWith('/')) return `/cdn-cgi/image/${list}/${source.replace(/^\//, '')}`;
    return pathOf(account, source, list);
  };
  const stored = () => images.find((i) => i.id === pick.input.value.trim());

  const markup = (width, height) => {
    const image = stored();
    const most = Math.min(image ? image.width : 2560, 2560);
    const ratio = Number(form.value('height')) && Number(form.value('width')) ? Number(form.value('height')) / Number(form.value('width')) : 0;
    const rest = form.list().split(',').filter((o) => o && !/^(width|height|dpr)=/.test(o));
    const at = (w) => status.delivery + target([`width=${w}`, ratio && `height=${Math.round(w * ratio)}`, ...rest].filter(Boolean).join(','));
    const widths = [320, 640, 960, 1280, 1920, 2560].filter((w) => w <= most);
    if (!widths.length) widths.push(most);
    return `<img srcset="${widths.map((w) => `${at(w)} ${w}w`).join(',\n             ')}"\n     sizes="100vw" src="${at(widths.at(-1))}"\n     width="${width}" height="${height}" alt="" loading="lazy">`;
  };

  let shownSource = '';
  const redraw0 = latest(async (current) => {
    if (!pick.input.value.trim()) return;
    const path = target();
    url.set(status.delivery + path);
    signed.hidden = true;
    stage.classList.add('busy');
    const chosen = rows.find((r) => r.radio.checked);
    try {
      const made = await preview({ url: path, accept: chosen.accept.value });
      if (!current()) return;
      await show(after, made.blob);
      problem.hidden = true;
      compare.style.aspectRatio = `${after.naturalWidth} / ${after.naturalHeight}`;
      srcset.set(markup(after.naturalWidth, after.naturalHeight));
      fillRow(chosen, made);
      if (shownSource !== pick.input.value) {
        const original = await preview({ url: target('width=1600,quality=90'), accept: accepts[1].value });
        if (!current()) return;
        await show(before, original.blob);
        shownSource = pick.input.value;
      }
      explain(current, path, chosen.accept.value);
      for (const row of rows.filter((r) => r !== chosen)) {
        const other = await preview({ url: path, accept: row.accept.value });
        if (!current()) return;
        fillRow(row, other);
      }
    } catch (error) {
      if (!current()) return;
      problem.textContent = error.message;
      problem.hidden = false;
    } finally { if (current()) stage.classList.remove('busy'); }
  });
  const redraw = soon(250, redraw0);

  const fillRow = (row, made) => {
    const image = stored();
    row.type.textContent = short(made.type);
    row.size.textContent = bytes(made.bytes);
    row.saved.textContent = image ? `${Math.round((1 - made.bytes / image.bytes) * 100)} %` : '–';
    row.took.textContent = millis(made.took);
  };
  const explain = async (current, path, accept) => {
    const e = await call('explain', { url: status.delivery + path, accept });
    if (!current()) return;
    warnings.replaceChildren(...(e.warnings || []).map((w) => h('p', { class: 'hint' }, w)));
    const answer = e.code ? `${e.status} error ${e.code}: ${e.message}` : `${e.status}${e.message ? ` ${e.message}` : ''}`;
    facts.replaceChildren(...[['Visitors get', answer], ['Hint', e.hint], ['Proof', e.verdict], ['Options in force', e.options], ['Size', e.geometry && `${e.geometry.Output.W}×${e.geometry.Output.H}`],
      ['Varies by', e.vary?.join(', ')], ['Cache key', e.key], ['Tags', e.tags?.join('\n')]]
      .filter(([, value]) => value).map(([name, value]) => [h('dt', {}, name), h('dd', { class: name === 'Cache key' || name === 'Tags' ? 'mono' : '' }, value)]).flat());
  };
  const sign = async () => {
    try {
      const proof = await call('sign', { url: status.delivery + target(), seconds: Number(life.value), jwt: true });
      signed.set(proof.url);
      signed.hidden = false;
    } catch (error) { failed(error); }
  };

  app.page('Playground', { below: h('p', { class: 'soft' }, 'Every option of the URL grammar, on an image of yours.'), beside: h('button', { type: 'button', onclick: () => { form.set({ width: '800', format: 'auto' }); redraw(); } }, 'Reset') },
    h('div', { class: 'two' },
      h('div', { class: 'stack' },
        h('div', { class: 'card' }, stage, problem, warnings, h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Bytes by browser' }, table)),
        h('section', { class: 'card' }, h('h2', {}, 'Use it'), h('h3', {}, 'URL'), url,
          h('div', { class: 'row' }, h('h3', {}, 'Signed URL'), h('span', { class: 'soft small' }, 'for a private image, good for'), h('div', {}, Object.assign(life, { ariaLabel: 'How long the signed URL is good for' })), h('button', { type: 'button', onclick: sign }, 'Sign')), signed,
          h('h3', {}, 'Responsive markup'), srcset),
        h('section', { class: 'card' }, h('h2', {}, 'Why'), facts)),
      h('div', { class: 'card' }, pick.element, form.element)));
  redraw0();
}
