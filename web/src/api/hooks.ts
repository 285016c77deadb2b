import { keepPreviousData, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api, ApiError, type Query } from './client';

export const apiKey = (path: string | null, query: Query = {}) => ['api', path ?? '', query] as const;

interface Options<T> {
  refetchInterval?: number | false;
  /** Milliseconds until it is asked again, told from what is known so far. */
  refetchWhile?: (data: T | undefined) => number | false;
  staleTime?: number;
  keep?: boolean;
}

/** Reads one address of the interface; a null path waits. */
export function useGet<T>(path: string | null, query: Query = {}, options: Options<T> = {}) {
  return useQuery<T, ApiError>({
    queryKey: apiKey(path, query),
    queryFn: ({ signal }) => api.get<T>(path ?? '', query, signal),
    enabled: path !== null,
    refetchInterval: options.refetchWhile ? ({ state }) => options.refetchWhile?.(state.data) ?? false : (options.refetchInterval ?? false),
    ...(options.staleTime === undefined ? {} : { staleTime: options.staleTime }),
    ...(options.keep ? { placeholderData: keepPreviousData } : {}),
  });
}

/** Marks everything read below these path prefixes as stale. */
export function refresh(client: QueryClient, prefixes: readonly string[]): void {
  void client.invalidateQueries({
    predicate: ({ queryKey }) =>
      queryKey[0] === 'api' && prefixes.some((prefix) => String(queryKey[1]).startsWith(prefix)),
  });
}

export function useRefresh(): (prefixes: readonly string[]) => void {
  const client = useQueryClient();
  return useCallback((prefixes) => refresh(client, prefixes), [client]);
}
