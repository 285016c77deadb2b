import { read, write } from '../offline/db';
import type { Entry } from '../offline/outbox';

/** A report while it is being written; it stays on the phone until it is sent. */
export interface Draft {
  content: string;
  lon: number | null;
  lat: number | null;
  division_code: string;
  address: string;
  reporter_name: string;
  reporter_phone: string;
  shots: Blob[];
  voice: { blob: Blob; seconds: number } | null;
}

export const DRAFT = 'citizen';
export const emptyDraft: Draft = { content: '', lon: null, lat: null, division_code: '', address: '', reporter_name: '', reporter_phone: '', shots: [], voice: null };

export const keepDraft = (draft: Draft) => write('drafts', { ...draft, key: DRAFT });
export const readDraft = () => read<Draft>('drafts', DRAFT);

/** The draft that a refused report was made of. */
export function draftOf({ body, files }: Entry): Draft {
  const known = Object.fromEntries(Object.entries(body).filter(([name, value]) => name in emptyDraft && value !== null)) as Partial<Draft>;
  const voice = files.find(({ field }) => field === 'audio_id');
  return { ...emptyDraft, ...known, shots: files.filter(({ field }) => field === 'photo_ids').map(({ blob }) => blob), voice: voice ? { blob: voice.blob, seconds: 0 } : null };
}
