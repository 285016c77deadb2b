/** What this phone keeps while it waits for a network. Runs in pages and in the service worker alike. */

/** `outbox`: what is still to be sent; `drafts`: forms begun; `sent`: what was sent, with the answer. */
export type Store = 'outbox' | 'drafts' | 'sent';

let opened: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('chengnao', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('outbox', { keyPath: 'seq', autoIncrement: true });
      request.result.createObjectStore('drafts', { keyPath: 'key' });
      request.result.createObjectStore('sent', { keyPath: 'key' });
    };
    request.onsuccess = () => {
      request.result.onclose = request.result.onversionchange = () => {
        request.result.close();
        opened = undefined;
      };
      resolve(request.result);
    };
    request.onerror = () => {
      opened = undefined;
      reject(request.error ?? new Error('IndexedDB'));
    };
  });
  return opened;
}

export function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

/** Does the work in one transaction, and returns once it is on the disk. */
export async function within<T>(stores: Store[], work: (transaction: IDBTransaction) => Promise<T>): Promise<T> {
  const transaction = (await open()).transaction(stores, 'readwrite', { durability: 'strict' });
  const kept = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB'));
  });
  const [result] = await Promise.all([work(transaction), kept]);
  return result;
}

export const readAll = <T>(store: Store) =>
  within([store], (transaction) => asked(transaction.objectStore(store).getAll() as IDBRequest<T[]>));
export const read = <T>(store: Store, key: string) =>
  within([store], (transaction) => asked(transaction.objectStore(store).get(key) as IDBRequest<T | undefined>));
export const write = (store: Store, value: object) =>
  within([store], (transaction) => asked(transaction.objectStore(store).put(value)));
export const remove = (store: Store, key: string | number) =>
  within([store], (transaction) => asked(transaction.objectStore(store).delete(key)));

/** A name that no other thing has; also where the page did not come by HTTPS and `randomUUID` is missing. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
