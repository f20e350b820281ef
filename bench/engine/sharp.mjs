// A worker as remote.go describes it: one request a line, one answer a line.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

sharp.concurrency(1); // as many threads as transforms, as in the other contenders
sharp.cache(false); // every transform is made, none is remembered

const sources = new Map();

// The encoders are set as ours are: WebP method 2, AVIF speed 9 (9 - effort),
// chroma halved. AVIF is tuned for what the judge measures.
const encode = {
  'image/jpeg': (s, quality) => s.jpeg({ quality }),
  'image/webp': (s, quality) => s.webp({ quality, effort: 2 }),
  'image/avif': (s, quality) => s.avif({ quality, effort: 0, chromaSubsampling: '4:2:0', tune: 'ssim' }),
};

function make(t) {
  const s = sharp(sources.get(t.source), { animated: t.animated })
    .autoOrient()
    .resize(t.outW, t.outH, { fit: t.cover ? 'cover' : 'fill' });
  return encode[t.media](s, t.quality).toBuffer();
}

async function run(b) {
  if (b.later) await make(b.tasks[0]);
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const pace = { rate: 0, millis: [] };
  let next = 0;
  const more = (i) => (b.once ? i < b.tasks.length : i < b.workers || seconds() < b.seconds);
  const worker = async () => {
    let done = 0;
    for (let i = next++; more(i); i = next++, done++) {
      const begin = performance.now();
      await make(b.tasks[i % b.tasks.length]);
      pace.millis.push(performance.now() - begin);
    }
    pace.rate += done / seconds();
  };
  await Promise.all(Array.from({ length: b.workers }, worker));
  if (b.once) pace.rate = pace.millis.length / seconds();
  return pace;
}

async function answer(q) {
  if (q.load) sources.set(q.load.name, await readFile(q.load.path));
  if (q.make) return { body: (await make(q.make)).toString('base64') };
  if (q.run) return { pace: await run(q.run) };
  return {};
}

for await (const line of createInterface({ input: process.stdin })) {
  const a = await answer(JSON.parse(line)).catch((e) => ({ error: String(e) }));
  process.stdout.write(JSON.stringify(a) + '\n');
}
