import { h, field } from './dom.js';

// How the options are grouped. What the grammar has and no group names is in the last one.
const groups = [
  ['Size and crop', ['width', 'height', 'fit', 'gravity', 'zoom', 'dpr']],
  ['Format and quality', ['format', 'quality', 'slow-connection-quality', 'compression', 'anim', 'metadata']],
  ['Light and colour', ['background', 'brightness', 'contrast', 'saturation', 'gamma', 'sharpen', 'blur']],
  ['Turn and trim', ['rotate', 'flip', 'trim', 'trim.top', 'trim.right', 'trim.bottom', 'trim.left', 'trim.width', 'trim.height', 'trim.border.color', 'trim.border.tolerance', 'trim.border.keep']],
  ['By the client’s width', ['wbreakpoints', 'wmobile', 'wdesktop']],
];

// control is what one option is set by: a list of words, numbers, a colour, or text.
function control(option, change) {
  const { words = [], number, form, color } = option;
  if (words.length && !number && !form) {
    return h('select', { name: option.name, onchange: change }, h('option', { value: '' }, '–'), words.map((w) => h('option', { value: w }, w)));
  }
  const bounded = number && number.most <= 255;
  const said = [form, number && (bounded ? `${number.least}–${number.most}` : option.name.startsWith('trim.') ? 'pixels or 0–1' : 'pixels'), color && 'CSS colour', words[0], words.length > 1 && '…'].filter(Boolean);
  const plain = number && !words.length;
  return h('input', {
    name: option.name, oninput: change, placeholder: said.join(', '), autocomplete: 'off', spellcheck: 'false',
    ...(plain ? { type: 'number', min: number.least, max: bounded ? number.most : undefined, step: number.whole ? 1 : 'any' } : { type: 'text' }),
    ...(words.length ? { list: `words-${option.name}` } : {}),
  });
}

// beside is a second way to set the same: a slider, or a colour to pick.
function beside(option, input, change) {
  const { number, color, words = [] } = option;
  if (color) {
    return h('div', { class: 'joined' }, input, h('input', { type: 'color', 'aria-label': `${option.name}, picked`, value: '#0f766e', oninput: (event) => { input.value = event.target.value; change(); } }));
  }
  const list = input.getAttribute('list') && h('datalist', { id: `words-${option.name}` }, words.map((w) => h('option', { value: w })));
  if (!number || number.most > 255) return [input, list];
  const most = number.most === 255 && !number.whole ? 4 : number.most; // of a factor, what is of use
  const slider = h('input', { type: 'range', 'aria-label': `${option.name}, slid`, min: number.least, max: most, step: number.whole ? 1 : most / 200, oninput: () => { input.value = slider.value; change(); } });
  slider.value = neutral(option);
  input.addEventListener('input', () => { if (input.value !== '' && !Number.isNaN(Number(input.value))) slider.value = input.value; });
  return [h('div', { class: 'pair' }, slider, input), list];
}

// neutral is where a slider of an option that is not set stands.
const neutral = (option) => (/^(brightness|contrast|gamma|saturation|dpr)$/.test(option.name) ? 1 : option.number.least);

const escape = (value) => encodeURIComponent(value).replace(/%(3B|28|29)/g, decodeURIComponent);

// controls is a form of every option of the grammar. list() is what a URL has of it,
// set(values) fills it in; changed is called when somebody changes something.
export function controls(grammar, changed) {
  const inputs = new Map();
  const counts = [];
  const count = () => { for (const c of counts) c(); };
  const change = () => { count(); changed(); };
  const named = groups.flatMap(([, names]) => names);
  const rest = grammar.map((o) => o.name).filter((name) => !named.includes(name));
  const element = h('div', { class: 'stack', id: 'controls' }, [...groups, ['More', rest]].map(([title, names], i) => {
    const mine = names.map((name) => grammar.find((o) => o.name === name)).filter(Boolean);
    if (!mine.length) return null;
    const badge = h('span', { class: 'count' });
    counts.push(() => { const n = mine.filter((o) => inputs.get(o.name).value !== '').length; badge.textContent = n ? `${n} set` : ''; });
    return h('details', { open: i === 0 }, h('summary', {}, title, badge), h('div', { class: 'fields' }, mine.map((option) => {
      const input = control(option, change);
      inputs.set(option.name, input);
      input.id = `option-${option.name}`;
      return h('div', { class: 'field', 'data-option': option.name, title: option.doc }, h('label', { for: input.id }, option.name), beside(option, input, change));
    })));
  }));
  return {
    element,
    list: () => [...inputs].filter(([, input]) => input.value.trim() !== '').map(([name, input]) => `${name}=${escape(input.value.trim())}`).join(','),
    value: (name) => inputs.get(name).value.trim(),
    set: (values) => {
      for (const [name, input] of inputs) {
        const value = values[name] ?? '';
        input.value = value;
        if (value !== '' && input.value !== value) input.append(h('option', { value }, value)), input.value = value; // a word that only JSON has
        const slider = input.parentElement.querySelector('input[type=range]');
        if (slider) slider.value = value === '' ? neutral(grammar.find((o) => o.name === name)) : value;
      }
      count();
    },
  };
}

// picker asks for an image by its id, with suggestions.
export function picker(ids, value, changed) {
  const list = h('datalist', { id: 'image-ids' }, ids.map((id) => h('option', { value: id })));
  const input = h('input', { list: 'image-ids', value, autocomplete: 'off', spellcheck: 'false', oninput: changed });
  return { input, element: field('Image id, path or URL', input, list) };
}
