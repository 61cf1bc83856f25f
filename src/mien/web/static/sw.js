// Keeps the page's files, so that it works without a network. Only a page on a static host asks for it (app.js).
// The network comes first: a newer page is never hidden by an older one, and nothing but the page's own files is kept.

const CACHE = 'mien';

self.addEventListener('install', (event) => event.waitUntil(keepAll()));
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (event.request.method === 'GET' && new URL(event.request.url).origin === location.origin) {
    event.respondWith(answer(event.request));
  }
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  const { files } = await (await fetch('files.json', { cache: 'no-cache' })).json();
  await cache.addAll(['./', 'files.json', ...files]);
  await self.skipWaiting();
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok && (await cache.match(request))) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
