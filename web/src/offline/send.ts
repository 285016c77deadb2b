/** Sends what waits on this phone. Runs in pages and, where the browser has background sync, in the service worker. */

import { entries, save, settle, tell, type Entry, type Problem } from './outbox';

/** The network or the platform is away: try again later. */
class Later extends Error {}

class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.code);
  }
}

const PATIENCE_MS = 120_000;

async function ask(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(`/api${path}`, { ...init, credentials: 'same-origin', signal: AbortSignal.timeout(PATIENCE_MS) });
    body = await response.json();
  } catch {
    throw new Later();
  }
  // An answer kept from before says nothing of now.
  if (response.headers.has('X-As-Of') || response.status === 429 || response.status >= 500) throw new Later();
  if (response.ok) return body as Record<string, unknown>;
  const error = (body as { error?: { code: string; message: string; message_en: string } }).error;
  throw new Refused({
    status: response.status,
    code: error?.code ?? `http_${response.status}`,
    zh: error?.message ?? `服务器返回 ${response.status}`,
    en: error?.message_en ?? `The server answered ${response.status}`,
  });
}

interface Session {
  id: string;
  csrf_token: string;
}

async function sendOne(first: Entry, session: Session | null): Promise<void> {
  let entry = first;
  // Each step is on the disk before the next: a retry sends the very same request.
  const keep = async (change: Partial<Entry>) => {
    entry = { ...entry, ...change };
    await save(entry);
  };
  const headers = (key: string) => ({ 'Idempotency-Key': key, ...(session ? { 'X-CSRF-Token': session.csrf_token } : {}) });
  if (!entry.tried) await keep({ tried: true });
  for (const file of entry.files) {
    if (file.id) continue;
    const form = new FormData();
    form.append('file', file.blob, 'file');
    const { id } = await ask(file.path, { method: 'POST', headers: headers(file.key), body: form });
    await keep({ files: entry.files.map((each) => (each.key === file.key ? { ...each, id: String(id) } : each)) });
  }
  let { body } = entry;
  for (const { field, id } of entry.files) {
    const before = body[field];
    const ids = Array.isArray(before) ? (before as unknown[]) : [];
    body = { ...body, [field]: field.endsWith('s') ? [...ids.filter((each) => each !== id), id] : id };
  }
  if (entry.versioned && body.version === undefined) body = { ...body, version: (await ask(`/incidents/${entry.lane}`)).version };
  await keep({ body });
  const answer = await ask(entry.path, {
    method: 'POST',
    headers: { ...headers(entry.key), 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  await settle(entry, answer);
}

async function sendAll(): Promise<void> {
  const stopped = new Set<string>();
  let session: Session | null = null;
  for (;;) {
    // Read anew each time: more may have been added meanwhile, and the next step has learnt its version.
    const next: Entry | undefined = (await entries()).find((entry) => {
      if (entry.problem) stopped.add(entry.lane);
      return !stopped.has(entry.lane);
    });
    if (!next) return;
    try {
      if (next.owner) session ??= (await ask('/session')) as unknown as Session;
      // Another person has signed in on this phone: what the first one did waits for them.
      if (next.owner && session?.id !== next.owner) stopped.add(next.lane);
      else await sendOne(next, next.owner ? session : null);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { problem } = error;
      if (problem.status === 401 && next.owner) {
        tell({ kind: 'signin' });
        for (const { lane, owner } of await entries()) if (owner) stopped.add(lane);
      } else if (problem.code === 'csrf_failed') {
        throw new Later();
      } else {
        const now = (await entries()).find(({ seq }) => seq === next.seq);
        if (now) await save({ ...now, problem });
      }
    }
  }
}

/** Sends all that can be sent now, one sender at a time; false where some of it must be tried again later. */
export async function flush(): Promise<boolean> {
  const work = () =>
    sendAll().then(
      () => true,
      (error: unknown) => {
        if (error instanceof Later) return false;
        throw error;
      },
    );
  // Without locks (the page did not come by HTTPS) two pages may send the same thing: the platform does it once.
  return 'locks' in navigator ? navigator.locks.request('chengnao-outbox', work) : work();
}
