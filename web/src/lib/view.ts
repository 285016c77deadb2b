import { useCallback } from 'react';
import { useSearchParams } from 'react-router';

export type Patch = Record<string, string | number | boolean | null | undefined>;

/** The view of a page lives in its address, so that a link shows the same thing to a colleague. */
export function useView() {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (patch: Patch, push = false) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [key, value] of Object.entries(patch)) {
            if (value === null || value === undefined || value === '' || value === false) next.delete(key);
            else next.set(key, String(value));
          }
          return next;
        },
        { replace: !push },
      ),
    [setParams],
  );
  const get = useCallback((key: string) => params.get(key) ?? '', [params]);
  const number = useCallback(
    (key: string, fallback: number) => {
      const value = Number.parseInt(params.get(key) ?? '', 10);
      return Number.isFinite(value) && value > 0 ? value : fallback;
    },
    [params],
  );
  return { get, number, set };
}
