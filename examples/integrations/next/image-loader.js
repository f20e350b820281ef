// The server, or nothing if it is on the site's own domain.
const server = process.env.NEXT_PUBLIC_IMAGES ?? '';

// A path or URL is a picture of the site; image:<hash>/<id> is a stored one.
export default function imageLoader({ src, width, quality }) {
  const options = `width=${width},quality=${quality ?? 75},format=auto`;
  if (src.startsWith('image:')) return `${server}/cdn-cgi/imagedelivery/${src.slice('image:'.length)}/${options}`;
  return `${server}/cdn-cgi/image/${options}/${src.replace(/^\//, '')}`;
}
