import { h, field, failed } from './dom.js';
import { read, setToken, whenRefused } from './server.js';
import { imagesPage, imagePage } from './images.js';
import { variantsPage } from './variants.js';
import { playgroundPage } from './playground.js';
import { trafficPage } from './traffic.js';
import { accessPage } from './access.js';
import { rulesPage } from './rules.js';

// The sections, in the order of the navigation. A page is a function of the app and
// the rest of the address; it returns what to do when it is left, if anything.
const sections = [
  { path: 'images', title: 'Images', page: (app, rest) => (rest ? imagePage(app, rest) : imagesPage(app)) },
  { path: 'playground', title: 'Playground', page: playgroundPage },
  { path: 'variants', title: 'Variants', page: variantsPage },
  { path: 'traffic', title: 'Traffic', page: trafficPage },
  { path: 'access', title: 'Access', page: accessPage },
  { path: 'rules', title: 'Rules', page: rulesPage },
];

const main = document.getElementById('main');
let leave = () => {};
let turn = 0;

const app = { main, status: null, account: null, grammar: null };

// page puts a page's title and elements in the place of the present ones.
app.page = (title, ...content) => {
  const heading = h('h1', { tabindex: '-1' }, title);
  const head = content.shift();
  main.replaceChildren(h('div', { class: 'head' }, h('div', {}, heading, head?.below), head?.beside), ...content);
  document.title = `${title} · Fovea`;
  return heading;
};

async function go() {
  const [path, ...rest] = location.hash.replace(/^#\//, '').split('/');
  const section = sections.find((s) => s.path === path) || sections[0];
  for (const link of document.querySelectorAll('#nav a')) {
    if (link.hash === `#/${section.path}`) {
      link.setAttribute('aria-current', 'page');
      link.scrollIntoView({ block: 'nearest', inline: 'center' });
    } else link.removeAttribute('aria-current');
  }
  leave();
  leave = () => {};
  const mine = ++turn;
  try {
    const left = await section.page(app, rest.map(decodeURIComponent).join('/'));
    if (mine === turn) leave = left || (() => {});
    else left?.();
  } catch (error) {
    failed(error);
  }
  if (mine === turn && app.started) main.querySelector('h1')?.focus({ preventScroll: true });
  app.started = true;
}

function askToken() {
  const input = h('input', { type: 'password', autocomplete: 'off', required: true });
  app.page('Sign in', { below: h('p', { class: 'soft' }, 'This listener is opened by the token in admin.token of the configuration.') },
    h('form', { class: 'card', onsubmit: (event) => { event.preventDefault(); setToken(input.value.trim()); start(); } },
      field('Admin token', input), h('div', {}, h('button', { class: 'main' }, 'Sign in'))));
  input.focus();
}

async function start() {
  try {
    [app.status, app.grammar] = await Promise.all([read('status'), read('grammar')]);
  } catch (error) {
    failed(error);
    return;
  }
  app.account = app.status.accounts.find((a) => a.hash === app.account?.hash) || app.status.accounts[0];
  document.getElementById('nav').replaceChildren(...sections.map((s) => h('li', {}, h('a', { href: `#/${s.path}` }, s.title))));
  const foot = [h('span', {}, `Version ${app.status.version}`)];
  if (app.status.accounts.length > 1) {
    foot.unshift(field('Account', h('select', { onchange: (event) => { app.account = app.status.accounts[event.target.selectedIndex]; go(); } },
      app.status.accounts.map((a) => h('option', { selected: a === app.account }, a.hash)))));
  }
  document.getElementById('foot').replaceChildren(...foot);
  await go();
}

whenRefused(askToken);
document.querySelector('.skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
addEventListener('hashchange', go);
// A file that misses its mark must not take the page away.
for (const name of ['dragover', 'drop']) addEventListener(name, (event) => event.preventDefault());
start();
