// Prints the URLs that unpic makes, one a line.
import { transformUrl } from 'unpic';
import { generate } from 'unpic/providers/cloudflare';

const site = process.env.SITE ?? 'https://www.example.com';
const domain = 'images.example.com';
console.log(generate('/photo.jpg', { width: 400, height: 300 }, { domain }));
console.log(generate(`${site}/photo.jpg`, { width: 400, height: 300, quality: 60, format: 'webp' }, { domain }));
console.log(transformUrl({ url: `https://${domain}/cdn-cgi/image/width=800/photo.jpg`, width: 400, height: 300 }));
console.log(transformUrl({ url: `https://${domain}/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/w=800`, width: 400, height: 300 }));
console.log(transformUrl({ url: `https://${domain}/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/public`, width: 400, format: 'auto' }));
