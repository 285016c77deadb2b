/** Keeps sending from an open page: at once, when the network comes back, when the page is looked at, and by a timer. */

import { entries, listen } from './outbox';
import { flush } from './send';

const FIRST_MS = 2_000;
const LONGEST_MS = 60_000;

let timer: number | undefined;
let wait = FIRST_MS;
let running = false;
let wanted = false;

async function run(): Promise<void> {
  wanted = true;
  if (running) return;
  running = true;
  window.clearTimeout(timer);
  let all = true;
  while (wanted) {
    wanted = false;
    all = await flush();
  }
  running = false;
  wait = all ? FIRST_MS : Math.min(LONGEST_MS, wait * 2);
  if (!all) {
    timer = window.setTimeout(() => void run(), wait);
    void sendWithoutPage();
  }
}

interface Syncing {
  sync?: { register: (tag: string) => Promise<void> };
}

/** Asks the browser to wake the service worker once there is a network, though no page is open. */
async function sendWithoutPage(): Promise<void> {
  const registration = (await navigator.serviceWorker?.getRegistration()) as (ServiceWorkerRegistration & Syncing) | undefined;
  await registration?.sync?.register('outbox').catch(() => undefined);
}

/** Sends what waits now; the waiting after earlier failures is forgotten. */
export function sendNow(): void {
  wait = FIRST_MS;
  void run();
}

/** Starts the sending for as long as the page is open. */
export function startSending(): () => void {
  const seen = () => {
    if (!document.hidden) sendNow();
  };
  const stop = listen((news) => {
    if (news.kind === 'changed' && !running) void entries().then((all) => all.some(({ tried, problem }) => !tried && !problem) && sendNow());
  });
  window.addEventListener('online', sendNow);
  document.addEventListener('visibilitychange', seen);
  sendNow();
  return () => {
    stop();
    window.removeEventListener('online', sendNow);
    document.removeEventListener('visibilitychange', seen);
    window.clearTimeout(timer);
  };
}

/** Registers the service worker for a part of the site; without HTTPS there is none, and the queue needs an open page. */
export function installWorker(scope: '/' | '/citizen'): void {
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (workers && import.meta.env.PROD) {
    workers.register('/sw.js', { scope }).catch(() => undefined);
    // A page that came while the worker was starting is not its own yet: it asks to be taken over.
    void workers.ready.then(({ active }) => workers.controller ?? active?.postMessage('claim'));
  }
  // Asks the browser not to clear the queue when the phone runs out of room.
  void navigator.storage?.persist?.();
}
