// /img/landscape is the image at a width that suits the visitor's browser.
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith('/img/')) return new Response('a page\n');
    const width = request.headers.get('Sec-CH-UA-Mobile') === '?1' ? 400 : 800;
    const accept = request.headers.get('Accept') ?? '*/*'; // it chooses the format
    return fetch(`${env.IMAGES}/${pathname.slice('/img/'.length)}/width=${width}`, { headers: { Accept: accept } });
  },
};
