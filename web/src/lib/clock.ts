import { useSyncExternalStore } from 'react';
import type { ClockInfo } from '../api/types';

/** The platform's time: what the server said, carried forward at the server's speed. */
let anchor = { platform: Date.now(), real: performance.now(), speed: 1 };

/** `saidAt`: when the server said so, where that was not just now. */
export function syncClock(clock: ClockInfo, saidAt = Date.now()): void {
  anchor = { platform: Date.parse(clock.now) + (Date.now() - saidAt) * clock.speed, real: performance.now(), speed: clock.speed };
  tick();
}

export function platformNow(): number {
  return anchor.platform + (performance.now() - anchor.real) * anchor.speed;
}

let snapshot = platformNow();
const listeners = new Set<() => void>();
let timer: number | undefined;

function tick(): void {
  snapshot = platformNow();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Platform time in milliseconds, renewed once a second for every reader together. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => snapshot);
}
