import { useEffect, useState } from 'react';
import { read, remove, write } from './db';
import { entries, listen, type Entry } from './outbox';

/** What the person has done and the platform has not taken yet, in order. */
export function useOutbox(owner: string): Entry[] {
  const [all, setAll] = useState<Entry[]>([]);
  useEffect(() => {
    const renew = () => void entries().then((found) => setAll(found.filter((entry) => entry.owner === owner)), () => setAll([]));
    renew();
    return listen(renew);
  }, [owner]);
  return all;
}

/** Forms that are filled in bit by bit are kept on the phone; `keep` with null forgets. */
export function useDraft<T extends object>(key: string | null, restore: (draft: T) => void): (draft: T | null) => void {
  useEffect(() => {
    let gone = false;
    if (key) void read<T & { key: string }>('drafts', key).then((draft) => !gone && draft && restore(draft), () => undefined);
    return () => {
      gone = true;
    };
    // Only a new key restores: what has been typed since must not be overwritten.
  }, [key]);
  return (draft) => {
    if (key) void (draft ? write('drafts', { ...draft, key }) : remove('drafts', key)).catch(() => undefined);
  };
}

/** Whether the browser believes that there is a network. */
export function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const renew = () => setOnline(navigator.onLine);
    window.addEventListener('online', renew);
    window.addEventListener('offline', renew);
    return () => {
      window.removeEventListener('online', renew);
      window.removeEventListener('offline', renew);
    };
  }, []);
  return online;
}
