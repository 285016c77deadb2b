import { useEffect, useState } from 'react';
import { readAll, remove, write } from '../offline/db';
import { entries, listen, tell, type Entry, type Sent } from '../offline/outbox';
import type { Matter } from './api';

/** One report of this phone: waiting to be sent, or sent and then followed. */
export interface Record {
  key: string;
  title: string;
  at: string;
  entry?: Entry;
  sent?: Followed;
}

/** With how the matter stood when it was looked at last. */
export type Followed = Sent & { seen?: { matter: Matter; at: number } };

/** The reports of this phone, the newest first. Nothing of this list is on the server. */
export function useRecords(): Record[] {
  const [records, setRecords] = useState<Record[]>([]);
  useEffect(() => {
    const renew = async () => {
      const [waiting, sent] = await Promise.all([entries(), readAll<Followed>('sent')]);
      const all: Record[] = [
        ...waiting.filter(({ owner }) => owner === '').map((entry) => ({ key: entry.key, title: entry.title, at: entry.at, entry })),
        ...sent.filter(({ owner }) => owner === '').map((each) => ({ key: each.key, title: each.title, at: each.at, sent: each })),
      ];
      setRecords(all.sort((a, b) => b.at.localeCompare(a.at)));
    };
    const safely = () => void renew().catch(() => undefined);
    safely();
    return listen(safely);
  }, []);
  return records;
}

export async function remember(record: Followed): Promise<void> {
  await write('sent', record).catch(() => undefined);
  tell({ kind: 'changed' });
}

export async function forget(key: string): Promise<void> {
  await remove('sent', key);
  tell({ kind: 'changed' });
}
