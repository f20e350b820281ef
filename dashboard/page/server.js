// What is asked of the server. Every request carries a header that no page of another
// origin can send unasked, and the admin token if there is one. It lies in this tab's
// session storage, and nowhere else.

const stored = 'fovea admin token';
let onRefused = () => {};

export function whenRefused(ask) { onRefused = ask; }
export function setToken(text) { sessionStorage.setItem(stored, text); }

function headers(more = {}) {
  const token = sessionStorage.getItem(stored);
  return { 'Fovea-Dashboard': '1', ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers(options.headers), cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The server does not answer');
  }
  if (response.ok) return response;
  if (response.status === 401) onRefused();
  let text = `The server answered ${response.status}`;
  try {
    const said = await response.json();
    text = said.error || said.errors?.[0]?.message || text;
  } catch { /* it was not JSON */ }
  throw new Error(text);
}

export async function read(name) { return (await send(`admin/v1/${name}`, {})).json(); }

export async function call(name, question, signal) {
  const response = await send(`admin/v1/${name}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(question), signal });
  return response.json();
}

// manage calls the management API for an account and returns its result.
export async function manage(account, method, path, body) {
  const options = { method };
  if (body !== undefined) Object.assign(options, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  return (await (await send(`client/v4/accounts/${account.id}/images/${path}`, options)).json()).result;
}

// upload sends a file and tells of its progress, from 0 to 1.
export function upload(account, form, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `client/v4/accounts/${account.id}/images/v1`);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.responseType = 'json';
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress(event.loaded / event.total); };
    request.onload = () => {
      if (request.status === 200) return resolve(request.response.result);
      reject(new Error(request.response?.errors?.[0]?.message || request.response?.error || `The server answered ${request.status}`));
    };
    request.onerror = () => reject(new Error('The server does not answer'));
    request.send(form);
  });
}

export const accepts = [
  { name: 'Current browsers', value: 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8' },
  { name: 'WebP, no AVIF', value: 'image/webp,image/*,*/*;q=0.8' },
  { name: 'Neither', value: 'image/png,image/jpeg,*/*;q=0.5' },
];

let running = 0;
const waiting = [];

// turn lets four previews be made at once, so that a long gallery does not fill the
// server's queue.
async function turn(work) {
  if (running >= 4) await new Promise((go) => waiting.push(go));
  running++;
  try { return await work(); } finally {
    running--;
    waiting.shift()?.();
  }
}

// preview makes a picture: { blob, type, bytes, took }.
export function preview(question, signal) {
  return turn(async () => {
    const began = performance.now();
    const response = await send('admin/v1/preview', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(question), signal });
    const blob = await response.blob();
    return { blob, type: blob.type, bytes: blob.size, took: performance.now() - began };
  });
}

// show puts a blob into an image element.
export async function show(img, blob) {
  const url = URL.createObjectURL(blob);
  img.src = url;
  try { await img.decode(); } finally { URL.revokeObjectURL(url); }
}

export function pathOf(account, id, last) {
  return `/cdn-cgi/imagedelivery/${account.hash}/${id.split('/').map(encodeURIComponent).join('/')}/${last}`;
}

// untold is what to add of a purge that the other nodes have not been told of.
export function untold(gone) {
  return gone.pending ? ' here. The other nodes have not been told: Redis does not answer' : '';
}
