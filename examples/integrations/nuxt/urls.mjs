// Prints the URLs that <NuxtImg> puts into a page, one a line, by the settings of nuxt.config.ts.
import { readFileSync } from 'node:fs';
import cloudflare from '@nuxt/image/runtime/providers/cloudflare';
import cloudflareimages from '@nuxt/image/runtime/providers/cloudflareimages';

const site = process.env.SITE ?? 'https://www.example.com';
const text = readFileSync(new URL('nuxt.config.ts', import.meta.url), 'utf8');
const { image } = new Function('defineNuxtConfig', text.replace('export default', 'return'))((config) => config);

for (const [src, modifiers] of [
  ['/photo.jpg', { width: 320 }],
  ['/photo.jpg', { width: 320, height: 200, fit: 'cover', quality: 70, format: 'webp' }],
  [`${site}/photo.jpg`, { width: 320, height: 200, fit: 'inside' }],
]) console.log(cloudflare().getImage(src, { modifiers, ...image.cloudflare }).url);
for (const [id, modifiers] of [
  ['landscape', {}],
  ['landscape', { variant: 'public' }],
  ['landscape', { width: 320, height: 200, fit: 'fill', gravity: 'face', format: 'auto' }],
]) console.log(cloudflareimages().getImage(id, { modifiers, ...image.cloudflareimages }).url);
