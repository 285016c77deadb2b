/** What people did on this phone and the platform has not heard yet, in the order in which they did it. */

import { asked, newKey, readAll, remove, within, write } from './db';

/** A file that goes first; then the entry names the id it got, under `field` of its body. */
export interface Attachment {
  key: string;
  blob: Blob;
  path: string;
  field: string;
  id?: string;
}

/** Why an entry was not taken; a person decides what becomes of it. */
export interface Problem {
  status: number;
  code: string;
  zh: string;
  en: string;
}

export interface Entry {
  seq: number;
  /** Names the request, so that it is done once however often it is sent. */
  key: string;
  /** The user who did it; empty for people without an account. */
  owner: string;
  /** Entries of one lane are sent in order, and wait for one that has a problem. */
  lane: string;
  path: string;
  body: Record<string, unknown>;
  /** The body names the version of the incident `lane`; where it is not set yet, the step before tells it. */
  versioned: boolean;
  files: Attachment[];
  at: string;
  /** What the person did, for people to read. */
  action: string;
  title: string;
  tried: boolean;
  problem: Problem | null;
}

/** An entry that was sent, with the platform's answer. */
export interface Sent {
  key: string;
  owner: string;
  path: string;
  title: string;
  at: string;
  answer: Record<string, unknown>;
}

type News = { kind: 'changed' } | { kind: 'sent'; entry: Entry; answer: Record<string, unknown> } | { kind: 'signin' };

const listeners = new Set<(news: News) => void>();
const channel = new BroadcastChannel('chengnao-outbox');
channel.onmessage = ({ data }: MessageEvent<News>) => {
  for (const listener of listeners) listener(data);
};

/** Tells every open page, this one too. */
export function tell(news: News): void {
  channel.postMessage(news);
  for (const listener of listeners) listener(news);
}

export function listen(listener: (news: News) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const entries = () => readAll<Entry>('outbox');

export type NewEntry = Pick<Entry, 'owner' | 'lane' | 'path' | 'body' | 'versioned' | 'action' | 'title'> & {
  files: { blob: Blob; path: string; field: string }[];
  /** The draft that the entry was made of; it goes in the same moment. */
  draft?: string;
};

/** Puts one more thing at the end; from here on it survives a reload, a closed tab and a dead battery. */
export async function add({ draft, files, ...rest }: NewEntry): Promise<string> {
  const key = newKey();
  const entry = {
    ...rest,
    key,
    files: files.map((file, index) => ({ ...file, key: `${key}-${index}` })),
    at: new Date().toISOString(),
    tried: false,
    problem: null,
  };
  await within(['outbox', 'drafts'], async (transaction) => {
    await asked(transaction.objectStore('outbox').add(entry));
    if (draft) await asked(transaction.objectStore('drafts').delete(draft));
  });
  tell({ kind: 'changed' });
  return key;
}

export async function save(entry: Entry): Promise<void> {
  await write('outbox', entry);
  tell({ kind: 'changed' });
}

/** Gives an entry up, by its maker's wish. */
export async function drop(entry: Entry): Promise<void> {
  await remove('outbox', entry.seq);
  tell({ kind: 'changed' });
}

/** Sends an entry that had a problem anew, now meant for the incident as its maker has seen it; maybe as another step. */
export async function again(entry: Entry, change: Partial<Pick<Entry, 'path' | 'body' | 'action'>>): Promise<void> {
  await save({ ...entry, ...change, key: newKey(), tried: false, problem: null });
}

/** Takes out an entry that was answered; the next step of its lane goes on from the version that the answer names. */
export async function settle(entry: Entry, answer: Record<string, unknown>): Promise<void> {
  await within(['outbox', 'sent'], async (transaction) => {
    const outbox = transaction.objectStore('outbox');
    await asked(outbox.delete(entry.seq));
    const next = ((await asked(outbox.getAll())) as Entry[]).find(({ lane }) => lane === entry.lane);
    if (next?.versioned && next.body.version === undefined && typeof answer.version === 'number') {
      await asked(outbox.put({ ...next, body: { ...next.body, version: answer.version } }));
    }
    if (entry.path.endsWith('/reports') && typeof answer.tracking_number === 'string') {
      const { key, owner, path, title, at } = entry;
      await asked(transaction.objectStore('sent').put({ key, owner, path, title, at, answer } satisfies Sent));
    }
  });
  tell({ kind: 'sent', entry, answer });
}
