import { h, millis } from './dom.js';
import { read } from './server.js';

// rulesPage shows the rules with their counters, if the server has any.
export async function rulesPage(app) {
  const none = (text) => app.page('Rules', {}, h('div', { class: 'card empty' }, h('p', {}, text), h('p', { class: 'small' }, 'Rules are WebAssembly modules that see each request before it is answered.')));
  let rules;
  try { ({ rules } = await read('rules')); } catch { return none('This server has no rules.'); }
  if (!rules?.length) return none('No rules are loaded.');
  const rows = h('tbody', {});
  const fill = (list) => rows.replaceChildren(...list.map((r) => h('tr', {}, h('td', {}, h('div', { class: 'row' }, r.name, r.resting && h('span', { class: 'badge off' }, 'Resting'))), ['calls', 'answered', 'failures', 'skipped'].map((name) => h('td', { class: 'n' }, (r[name] ?? 0).toLocaleString('en'))), h('td', { class: 'n' }, millis(r.calls ? r.seconds / r.calls * 1000 : 0)))));
  app.page('Rules', { below: h('p', { class: 'soft' }, 'In the order in which they run.') }, h('section', { class: 'card' }, h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Rules' },
    h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, 'Rule'), ['Calls', 'Answered', 'Failures', 'Skipped', 'Time of a call'].map((t) => h('th', { class: 'n' }, t)))), rows))));
  fill(rules);
  const timer = setInterval(async () => { if (!document.hidden) try { fill((await read('rules')).rules); } catch { /* the next one tells */ } }, 2000);
  return () => clearInterval(timer);
}
