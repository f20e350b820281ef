// Elements, words for numbers, and what is said to people. Nothing here writes HTML:
// what comes from the server is only ever text.

export function h(tag, attributes = {}, ...children) {
  const element = svgTags.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'disabled' || name === 'indeterminate') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return element;
}

const svgTags = new Set(['svg', 'path', 'line', 'g']);

let count = 0;

// field is a control under its label.
export function field(label, control, ...after) {
  control.id ||= `f${++count}`;
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, ...after);
}

export function tick(label, attributes = {}) {
  return h('label', { class: 'tick' }, h('input', { type: 'checkbox', ...attributes }), h('span', {}, label));
}

export function bytes(n) {
  if (n < 1000) return `${n} B`;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    n /= 1000;
    if (n < 999.5) return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
  }
  return `${Math.round(n)} PB`;
}

export function number(n) {
  if (n === 0) return '0';
  if (n < 10) return n.toFixed(1);
  return Math.round(n).toLocaleString('en');
}

export function millis(n) {
  if (!n) return '–';
  if (n < 0.1) return `${(n * 1000).toFixed(n < 0.01 ? 1 : 0)} µs`;
  if (n < 1) return `${n.toFixed(2)} ms`;
  return n < 1000 ? `${n < 10 ? n.toFixed(1) : Math.round(n)} ms` : `${(n / 1000).toFixed(1)} s`;
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
export function day(text) { return text ? days.format(new Date(text)) : '–'; }

// note says something in passing; a screen reader reads it.
export function note(text, bad = false) {
  const box = h('div', { class: bad ? 'note bad' : 'note' }, text);
  document.getElementById('notes').append(box);
  setTimeout(() => box.remove(), bad ? 9000 : 4000);
}

export function failed(error) { note(error.message || String(error), true); }

// confirm asks before what cannot be taken back; fields are further elements to show.
export function confirm(title, text, verb, ...fields) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { 'aria-labelledby': 'ask' },
      h('form', { method: 'dialog' },
        h('h2', { id: 'ask' }, title), text && h('p', { class: 'soft' }, text), fields,
        h('div', { class: 'row' }, h('button', { value: '' }, 'Cancel'), h('button', { value: 'yes', class: 'bad' }, verb))));
    dialog.addEventListener('close', () => { resolve(dialog.returnValue === 'yes'); dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    note(`${what} copied`);
  } catch {
    note('The browser does not let this page copy; select the text instead', true);
  }
}

// copyable shows text with a button that copies it.
export function copyable(text, what, block = false) {
  const box = h(block ? 'pre' : 'code', block ? { tabindex: '0', role: 'region', 'aria-label': what } : {}, text);
  const out = h('div', { class: 'copy' }, box, h('button', { type: 'button', 'aria-label': `Copy ${what}`, onclick: () => copy(box.textContent, what) }, 'Copy'));
  out.set = (next) => { box.textContent = next; };
  return out;
}

// soon calls do when nothing has called for it for some milliseconds.
export function soon(wait, work) {
  let timer;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => work(...args), wait); };
}

// only runs the latest call of work: an older one that ends later changes nothing.
export function latest(work) {
  let turn = 0;
  return async (...args) => {
    const mine = ++turn;
    await work(() => mine === turn, ...args);
  };
}
