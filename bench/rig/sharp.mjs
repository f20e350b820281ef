// sharp behind node's own server: /<width>/<format>/<path at the origin>.
// arguments: port, origin as host:port
import http from 'node:http';
import sharp from 'sharp';

const [port, origin] = process.argv.slice(2);
sharp.cache(false); // every picture is made, none is remembered
const agent = new http.Agent({ keepAlive: true });

const source = (path) =>
  new Promise((resolve, reject) => {
    http
      .get(`http://${origin}/${path}`, { agent }, (r) => {
        const parts = [];
        r.on('data', (part) => parts.push(part));
        r.on('error', reject);
        r.on('end', () => (r.statusCode === 200 ? resolve(Buffer.concat(parts)) : reject(new Error(`origin: ${r.statusCode}`))));
      })
      .on('error', reject);
  });

http
  .createServer(async (request, response) => {
    const [, width, format, ...path] = request.url.split('/');
    try {
      const picture = sharp(await source(path.join('/')))
        .autoOrient()
        .resize({ width: Number(width), withoutEnlargement: true });
      // As ours: WebP method 2, the fastest AVIF, chroma halved; quality is sharp's own.
      const body = await {
        jpeg: () => picture.jpeg(),
        webp: () => picture.webp({ effort: 2 }),
        avif: () => picture.avif({ effort: 0, chromaSubsampling: '4:2:0' }),
        png: () => picture.png(),
      }[format]().toBuffer();
      response.writeHead(200, { 'Content-Type': `image/${format}`, 'Content-Length': body.length }).end(body);
    } catch (e) {
      response.writeHead(500).end(String(e));
    }
  })
  .listen(Number(port), '127.0.0.1');
