import { h, field, bytes, number, millis, note, failed, confirm } from './dom.js';
import { read, call, untold } from './server.js';

const kept = 450; // samples, as many as the server has

// The charts: what each shows of a sample, and in which words.
const charts = [
  { title: 'Requests', unit: 'a second', of: (s) => s.requests / s.seconds, words: number },
  { title: 'Answered from the cache', unit: 'of all requests', of: (s) => (s.requests ? s.hits / s.requests : null), words: (n) => `${Math.round(n * 100)} %`, most: 1 },
  { title: 'Time of an answer', unit: '95 of 100 within; dashed: half of them', of: (s) => (s.requests ? s.p95 : null), second: (s) => (s.requests ? s.p50 : null), words: millis },
  { title: 'Bytes saved', unit: 'a second, against the originals', of: (s) => s.saved / s.seconds, words: bytes },
  { title: 'Queue', unit: 'transforms waiting; dashed: running', of: (s) => s.queued, second: (s) => s.running, words: (n) => String(Math.round(n)), least: 2 },
  { title: 'Memory', unit: 'of the heap; dashed: of the cache', of: (s) => s.heap_bytes, second: (s) => s.cache_bytes, words: bytes },
];

// line is a path through the samples, interrupted where there is nothing to say.
function line(values, most, close) {
  let d = '';
  let begun = null;
  values.forEach((v, i) => {
    if (v === null || v === undefined) { if (begun !== null && close) d += `L${i - 1} 100L${begun} 100Z`; begun = null; return; }
    const y = (100 - Math.min(v / most, 1) * 96).toFixed(2);
    d += `${begun === null ? 'M' : 'L'}${i} ${y}`;
    if (begun === null) { begun = i; if (!close) d += `L${i + 0.01} ${y}`; }
  });
  if (begun !== null && close) d += `L${values.length - 1} 100L${begun} 100Z`;
  return d;
}

function chart(spec, i) {
  const now = h('p', { class: 'now' }, '–');
  const area = h('path', { class: 'area' });
  const first = h('path', { class: 'line' });
  const second = h('path', { class: 'line second' });
  const svg = h('svg', { viewBox: `0 0 ${kept - 1} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': spec.title }, h('line', { class: 'base', x1: 0, x2: kept - 1, y1: 100, y2: 100 }), area, spec.second ? second : [], first);
  const from = h('span', {}, '');
  const peak = h('span', {}, '');
  const element = h('section', { class: 'card chart', 'aria-labelledby': `chart-${i}` }, h('h2', { id: `chart-${i}` }, spec.title), now, h('p', { class: 'soft small' }, spec.unit), svg, h('div', { class: 'ends' }, from, peak));
  return {
    element,
    draw: (samples) => {
      const values = samples.map(spec.of);
      const others = spec.second ? samples.map(spec.second) : [];
      const told = values.filter((v) => v !== null);
      const most = spec.most || Math.max(...told, ...others.filter((v) => v !== null), spec.least || 0) || 1;
      const last = values.at(-1) ?? told.at(-1);
      svg.setAttribute('viewBox', `0 0 ${Math.max(samples.length - 1, 1)} 100`);
      svg.querySelector('line').setAttribute('x2', Math.max(samples.length - 1, 1));
      area.setAttribute('d', line(values, most, true));
      first.setAttribute('d', line(values, most, false));
      second.setAttribute('d', line(others, most, false));
      now.textContent = last === undefined ? '–' : spec.words(last);
      from.textContent = samples.length > 1 ? ago(samples.at(-1).at - samples[0].at) : '';
      peak.textContent = told.length ? `most ${spec.words(Math.max(...told))}` : '';
      svg.setAttribute('aria-label', `${spec.title}: now ${now.textContent}, ${peak.textContent || 'nothing yet'}`);
    },
  };
}

function ago(ms) { return ms < 90000 ? `${Math.round(ms / 1000)} s ago` : `${Math.round(ms / 60000)} min ago`; }

export async function trafficPage(app) {
  const drawn = charts.map(chart);
  const facts = h('dl', { class: 'facts' });
  const meter = h('div', {});
  let samples = [];

  const refresh = async () => {
    const [fresh, stats] = await Promise.all([call('samples', { since: samples.at(-1)?.at || 0 }), read('stats')]);
    samples = [...samples, ...fresh].slice(-kept);
    if (fresh.length) for (const c of drawn) c.draw(samples);
    const { cache, engine } = stats;
    meter.style.setProperty('--full', `${Math.min(100, cache.bytes / cache.budget * 100)}%`);
    facts.replaceChildren(...[
      ['In memory', `${bytes(cache.bytes)} of ${bytes(cache.budget)}`], ['Pictures made', `${cache.fills.toLocaleString('en')}, ${cache.flying} under way`], ['Waited for another’s', cache.coalesced.toLocaleString('en')],
      ['Refilled', cache.refills.toLocaleString('en')], ['Failed', cache.failures.toLocaleString('en')], ['Purges', cache.purges.toLocaleString('en')],
      ['Transforms', `${engine.running} of ${engine.workers} running, ${engine.queued} waiting`], ['Turned away', engine.shed.toLocaleString('en')], ['Decoded', engine.decodes.toLocaleString('en')],
    ].map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]).flat());
  };

  app.page('Traffic', { below: h('p', { class: 'soft' }, `${app.status.codecs.length} formats; since ${new Date(app.status.started).toLocaleString()}`) },
    h('div', { class: 'charts' }, drawn.map((c) => c.element)),
    h('div', { class: 'two' },
      h('section', { class: 'card' }, h('h2', {}, 'Cache and engine'), h('div', { class: 'meter' }, meter), facts,
        h('details', {}, h('summary', {}, 'Codecs'), h('dl', { class: 'facts' }, app.status.codecs.map((c) => [h('dt', {}, c.format.toUpperCase()), h('dd', {}, c.by)])))),
      purgeForm(app, refresh)));
  await refresh();
  let failures = 0;
  const timer = setInterval(() => {
    if (document.hidden) return;
    refresh().then(() => { failures = 0; }, (error) => { if (failures++ === 0) failed(error); });
  }, 2000);
  return () => clearInterval(timer);
}

const purges = [
  ['image', 'An image', 'Its id', 'shoes/red'], ['prefix', 'All that begins with', 'An id, a path or a URL', 'shoes/'], ['variant', 'A variant', 'Its name', 'public'],
  ['source', 'A source', 'A URL or a path', 'https://example.com/a.jpg'], ['tag', 'A tag', 'As the playground shows it', 'image:…'], ['everything', 'Everything', '', ''],
];

function purgeForm(app, done) {
  const what = h('input', { required: true });
  const box = field('Its id', what);
  const kind = h('select', { onchange: () => {
    const [, , label, example] = purges[kind.selectedIndex];
    box.hidden = !label;
    what.required = Boolean(label);
    what.placeholder = example;
    box.querySelector('label').textContent = label;
  } }, purges.map(([value, text]) => h('option', { value }, text)));
  what.placeholder = purges[0][3];
  const purge = async (event) => {
    event.preventDefault();
    const everything = kind.value === 'everything';
    if (everything && !await confirm('Purge everything?', 'Every picture is made anew when it is asked for. Origins and processors will feel it.', 'Purge everything')) return;
    try {
      const gone = await call('purge', everything ? { everything } : { account: app.account.hash, [kind.value]: what.value.trim() });
      note(`Purged ${gone.everything ? 'everything' : gone.tag || `${gone.prefix}…`}${untold(gone)}`);
      await done();
    } catch (error) { failed(error); }
  };
  return h('form', { class: 'card', id: 'purge', onsubmit: purge }, h('h2', {}, 'Purge'), h('p', { class: 'soft small' }, 'What was made is forgotten at once. Originals stay.'), field('What', kind), box, h('div', {}, h('button', { class: 'main' }, 'Purge')));
}
