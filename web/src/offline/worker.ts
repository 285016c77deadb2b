/// <reference lib="webworker" />
/**
 * The service worker: the pages for people in the street open without a network, what they read last can be read again,
 * and what they did is sent though no page is open. It never keeps or repeats a change by itself: that is the outbox's.
 */

import { flush } from './send';

declare const self: ServiceWorkerGlobalScope;
/** Filled in by the build: the page and the files of each part of the site, and the part's version. */
declare const __SHELLS__: Record<string, { page: string; files: string[]; version: string }>;

const scope = new URL(self.registration.scope).pathname;
const shell = __SHELLS__[scope];
const SHELL = `shell ${scope} ${shell?.version ?? ''}`;
const ANSWERS = 'answers';
const MOST_ANSWERS = 300;
const PATIENCE_MS = 8_000;

/** What a field page reads. Other answers, such as lists of people, do not stay on a phone. */
const KEPT = /^\/api\/(session|clock|return-reasons|categories|divisions|tasks|incidents|photos)(\/|$)/;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(shell?.files ?? [])));
});

self.addEventListener('activate', (event) => {
  const clean = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(`shell ${scope} `) && name !== SHELL);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener('message', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate') event.respondWith(page(request));
  else if (url.pathname.startsWith('/assets/')) event.respondWith(asset(request));
  else if (KEPT.test(url.pathname) && scope === '/') event.respondWith(answer(request));
});

/** A network that does not move counts as none. */
const fromNetwork = (request: Request) =>
  Promise.race([
    fetch(request),
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error('no answer')), PATIENCE_MS)),
  ]);

async function page(request: Request): Promise<Response> {
  try {
    return await fromNetwork(request);
  } catch (error) {
    const kept = await caches.match(shell?.page ?? '', { cacheName: SHELL });
    if (kept) return kept;
    throw error;
  }
}

/** Files are named by their content, so what is kept is never stale. */
async function asset(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request);
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.ok) await cache.put(request, fresh.clone());
  return fresh;
}

/** The network first; else the last answer, marked with the time at which it was given. */
async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(ANSWERS);
  try {
    const fresh = await fromNetwork(request);
    if (fresh.ok) {
      const headers = new Headers(fresh.headers);
      headers.set('X-As-Of', new Date().toISOString());
      await cache.put(request, new Response(fresh.clone().body, { headers }));
      const requests = await cache.keys();
      await Promise.all(requests.slice(0, -MOST_ANSWERS).map((old) => cache.delete(old)));
    }
    return fresh;
  } catch (error) {
    const kept = await cache.match(request, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener('sync', (event) => {
  const send = async () => {
    // Fails where something is left, so that the browser tries again.
    if (!(await flush())) throw new Error('outbox');
  };
  (event as ExtendableEvent).waitUntil(send());
});
