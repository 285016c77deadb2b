/** One door to the platform's HTTP interface: cookies, the CSRF header, and errors with texts in both languages. */

import { noteAge } from '../offline/answers';

export type QueryValue = string | number | boolean | null | undefined;
export type Query = Record<string, QueryValue>;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly zh: string,
    readonly en: string,
    readonly params: Record<string, unknown> = {},
  ) {
    super(en || zh || code);
  }

  text(lang: 'zh' | 'en'): string {
    return (lang === 'zh' ? this.zh : this.en) || this.zh || this.code;
  }
}

let csrfToken = '';
let onUnauthenticated: () => void = () => undefined;

export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Called whenever an answer says that the session is gone. */
export function whenUnauthenticated(handler: () => void): void {
  onUnauthenticated = handler;
}

export function withQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

async function errorFrom(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const error = isRecord(body) && isRecord(body.error) ? body.error : {};
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return new ApiError(
    response.status,
    text(error.code) || `http_${response.status}`,
    text(error.message) || `服务器返回 ${response.status}，请稍后重试。`,
    text(error.message_en) || `The server answered ${response.status}. Please try again later.`,
    isRecord(error.params) ? error.params : {},
  );
}

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal, key?: string): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  const form = body instanceof FormData;
  if (method !== 'GET') headers['X-CSRF-Token'] = csrfToken;
  if (key) headers['Idempotency-Key'] = key;
  if (body !== undefined && !form) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      method,
      headers,
      credentials: 'same-origin',
      signal: signal ?? null,
      ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, 'network', '连不上服务器，请检查网络后重试。', 'The server cannot be reached. Check the network and try again.');
  }
  noteAge(response.headers.get('X-As-Of'));
  if (!response.ok) {
    const error = await errorFrom(response);
    if (response.status === 401 && path !== '/session') onUnauthenticated();
    throw error;
  }
  return response;
}

async function json<T>(response: Response): Promise<T> {
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const api = {
  get: async <T>(path: string, query?: Query, signal?: AbortSignal) =>
    json<T>(await send('GET', withQuery(path, query), undefined, signal)),
  /** `key` names the request: sent again with the same key, it is done once. */
  post: async <T>(path: string, body?: unknown, key?: string) => json<T>(await send('POST', path, body, undefined, key)),
  put: async <T>(path: string, body?: unknown) => json<T>(await send('PUT', path, body)),
  patch: async <T>(path: string, body?: unknown) => json<T>(await send('PATCH', path, body)),
  remove: async (path: string) => {
    await send('DELETE', path);
  },
};
