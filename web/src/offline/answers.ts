/** How old what the page shows is, where it came from this phone's memory and not from the platform. */

import { useSyncExternalStore } from 'react';

let asOf: number | null = null;
const listeners = new Set<() => void>();

/** Takes note of an answer's age; null for one that came just now. */
export function noteAge(header: string | null): void {
  const next = header === null ? null : Date.parse(header);
  if (next === asOf) return;
  asOf = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** When the last answer was given, in milliseconds; null while the platform itself answers. */
export const answeredAt = () => asOf;
export const useAnsweredAt = () => useSyncExternalStore(subscribe, answeredAt);

const OWNER = 'chengnao.answers.of';

/** Another person's answers go when somebody signs in; true where some may have gone that this person has just read. */
export async function answersFor(userId: string): Promise<boolean> {
  const known = localStorage.getItem(OWNER) === userId;
  if (!known) await forgetAnswers();
  localStorage.setItem(OWNER, userId);
  return !known;
}

/** Whoever signs out leaves nothing to read behind; what waits to be sent stays. */
export async function forgetAnswers(): Promise<void> {
  localStorage.removeItem(OWNER);
  if ('caches' in window) await caches.delete('answers');
}
