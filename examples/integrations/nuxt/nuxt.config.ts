export default defineNuxtConfig({
  modules: ['@nuxt/image'],
  image: {
    // <NuxtImg src="/photo.jpg" />: pictures of the site
    provider: 'cloudflare',
    cloudflare: { baseURL: 'https://images.example.com' },
    // <NuxtImg provider="cloudflareimages" src="landscape" />: stored ones
    cloudflareimages: {
      baseURL: 'https://images.example.com/cdn-cgi/imagedelivery',
      accountHash: 'FoveaDemoAccountHash00',
    },
  },
});
