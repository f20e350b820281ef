import { h, field, day, note, failed, confirm, copyable } from './dom.js';
import { read, call } from './server.js';

export async function accessPage(app) {
  const { account } = app;
  const keys = h('tbody', {});
  const tokens = h('tbody', {});
  const made = h('div', { class: 'stack', role: 'status' });
  const attempt = (work) => async (event) => {
    event?.preventDefault?.();
    try { await work(event); } catch (error) { failed(error); }
  };

  const showKeys = (names) => keys.replaceChildren(...names.map((name) => {
    const value = h('td', {}, h('button', { type: 'button', class: 'plain', 'aria-label': `Show the key ${name}`, onclick: attempt(async () => {
      const key = await call('keys/reveal', { account: account.hash, name });
      value.replaceChildren(copyable(key.value, `key ${name}`));
    }) }, 'Show'));
    return h('tr', {}, h('td', {}, name), value, h('td', { class: 'n' },
      h('button', { type: 'button', class: 'plain', 'aria-label': `New value for ${name}`, onclick: attempt(async () => {
        if (await confirm(`Give ${name} a new value?`, 'What the old one has signed opens nothing from now on.', 'New value')) showKeys(await call('keys/rotate', { account: account.hash, name }));
      }) }, 'New value'),
      h('button', { type: 'button', class: 'plain', 'aria-label': `Remove the key ${name}`, onclick: attempt(async () => {
        if (await confirm(`Remove the key ${name}?`, 'What it has signed opens nothing from now on.', 'Remove')) showKeys(await call('keys/remove', { account: account.hash, name }));
      }) }, 'Remove')));
  }));

  const state = (t) => {
    if (t.revoked) return h('span', { class: 'badge off' }, 'Revoked');
    if (t.expires && new Date(t.expires) < new Date()) return h('span', { class: 'badge off' }, 'Expired');
    return h('span', { class: 'badge on' }, t.expires ? `Until ${day(t.expires)}` : 'In force');
  };
  const showTokens = (list) => tokens.replaceChildren(...list.filter((t) => t.account === account.hash).map((t) => h('tr', {}, h('td', {}, t.note || h('span', { class: 'soft' }, 'no note')), h('td', {}, t.scope), h('td', { class: 'when' }, day(t.created)), h('td', {}, state(t)), h('td', { class: 'n' },
    !t.revoked && h('button', { type: 'button', class: 'plain', 'aria-label': `Revoke ${t.note || t.id}`, onclick: attempt(async () => {
      if (await confirm('Revoke this token?', 'It is refused from now on, with the batch tokens that it gave.', 'Revoke')) showTokens(await call('tokens/revoke', { id: t.id }));
    }) }, 'Revoke')))));

  const keyName = h('input', { required: true, pattern: '[A-Za-z0-9_\\-]{1,64}', placeholder: 'website' });
  const noteOf = h('input', { maxlength: 200, placeholder: 'build server' });
  const scope = h('select', {}, h('option', { value: 'read' }, 'Read'), h('option', { value: 'write' }, 'Read and write'));
  const expiry = h('select', {}, [[0, 'Never'], [30, 'In 30 days'], [90, 'In 90 days'], [365, 'In a year']].map(([n, text]) => h('option', { value: n }, text)));

  app.page('Access', { below: h('p', { class: 'soft' }, 'Keys sign URLs of private images; tokens open the management API.') },
    h('div', { class: 'two lane' },
      h('section', { class: 'card' }, h('h2', {}, 'Signing keys'), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Signing keys' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, 'Name'), h('th', {}, 'Value'), h('th', {}, h('span', { class: 'hidden' }, 'Actions')))), keys))),
      h('form', { class: 'card', onsubmit: attempt(async () => { showKeys(await call('keys/rotate', { account: account.hash, name: keyName.value })); note(`${keyName.value} is made`); keyName.value = ''; }) },
        h('h2', {}, 'New key'), field('Name', keyName), h('div', {}, h('button', { class: 'main' }, 'Make the key')))),
    h('div', { class: 'two lane' },
      h('section', { class: 'card' }, h('h2', {}, 'API tokens'), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'API tokens' }, h('table', {}, h('thead', {}, h('tr', {}, ['Note', 'Scope', 'Made', 'State'].map((t) => h('th', {}, t)), h('th', {}, h('span', { class: 'hidden' }, 'Actions')))), tokens)),
        h('p', { class: 'soft small' }, 'API base URL: ', h('code', {}, `${app.status.delivery}/client/v4`), ' · account id: ', h('code', {}, account.id))),
      h('form', { class: 'card', onsubmit: attempt(async () => {
        const token = await call('tokens/create', { account: account.hash, scope: scope.value, note: noteOf.value, days: Number(expiry.value) });
        made.replaceChildren(h('p', { class: 'small' }, 'This is the only time that the token is shown:'), copyable(token.token, 'token'));
        noteOf.value = '';
        showTokens(await read('tokens'));
      }) }, h('h2', {}, 'New token'), field('Note', noteOf), field('May', scope), field('Expires', expiry), h('div', {}, h('button', { class: 'main' }, 'Make the token')), made)));
  const [names, list] = await Promise.all([call('keys', { account: account.hash }), read('tokens')]);
  showKeys(names);
  showTokens(list);
}
