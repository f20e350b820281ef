// Prints the URLs that <Image> puts into a page, one a line.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const { default: loadConfig } = require('next/dist/server/config.js');
const { getImageProps } = require('next/image');

const site = process.env.SITE ?? 'https://www.example.com';
const folder = fileURLToPath(new URL('.', import.meta.url));
const config = await loadConfig('phase-production-build', folder, { silent: true });
if (config.images.loader !== 'custom') throw new Error(`the loader is ${config.images.loader}`);
const { default: loader } = await import(config.images.loaderFile);
for (const image of [
  { src: '/photo.jpg', width: 400, height: 300 },
  { src: `${site}/photo.jpg`, width: 400, height: 300 },
  { src: 'image:FoveaDemoAccountHash00/landscape', width: 640, height: 400, sizes: '100vw' },
]) {
  const { props } = getImageProps({ alt: '', loader, ...image });
  for (const one of [props.src, ...props.srcSet.split(', ')]) console.log(one.split(' ')[0]);
}
