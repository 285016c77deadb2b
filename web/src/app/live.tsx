import { useQueryClient } from '@tanstack/react-query';
import { createContext, use, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { refresh } from '../api/hooks';
import type { StreamEvent } from '../api/types';

export type LiveState = 'connecting' | 'live' | 'polling';

/** What each kind of news makes stale. */
const stale: Record<string, readonly string[]> = {
  'warning.opened': ['/warnings', '/situation'],
  'warning.changed': ['/warnings', '/situation'],
  'warning.cleared': ['/warnings', '/situation'],
  'incident.opened': ['/incidents', '/situation', '/evaluation', '/reports'],
  'incident.changed': ['/incidents', '/situation', '/tasks', '/evaluation'],
  'task.changed': ['/tasks', '/incidents'],
  'device.fault_opened': ['/devices', '/situation'],
  'device.fault_cleared': ['/devices', '/situation'],
};
const everything = [...new Set(Object.values(stale).flat())];

const FLUSH_MS = 1500;
const POLL_MS = 10_000;
const FEED_LENGTH = 40;

interface Live {
  state: LiveState;
  feed: StreamEvent[];
}

const LiveContext = createContext<Live>({ state: 'connecting', feed: [] });
export const useLive = () => use(LiveContext);

function parse(text: unknown): StreamEvent | null {
  try {
    const value: unknown = JSON.parse(String(text));
    return typeof value === 'object' && value !== null && 'type' in value ? (value as StreamEvent) : null;
  } catch {
    return null;
  }
}

/**
 * Keeps one stream of news open while the page is looked at. News arrive in bursts, so what they
 * make stale is read again at most once per flush; without a stream the same is done by polling.
 */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>('connecting');
  const [feed, setFeed] = useState<StreamEvent[]>([]);
  const pending = useRef<StreamEvent[]>([]);

  useEffect(() => {
    let source: EventSource | null = null;
    let retry: number | undefined;
    let failures = 0;

    const take = (message: MessageEvent) => {
      const event = parse(message.data);
      if (event) pending.current.push(event);
    };
    const open = () => {
      window.clearTimeout(retry);
      source?.close();
      source = new EventSource('/api/stream');
      for (const type of Object.keys(stale)) source.addEventListener(type, take);
      source.onopen = () => {
        if (failures > 0) refresh(client, everything);
        failures = 0;
        setState('live');
      };
      source.onerror = () => {
        failures += 1;
        setState(failures > 2 ? 'polling' : 'connecting');
        if (source?.readyState === EventSource.CLOSED) {
          retry = window.setTimeout(open, Math.min(30_000, 1000 * 2 ** failures));
        }
      };
    };
    const close = () => {
      window.clearTimeout(retry);
      source?.close();
      source = null;
    };
    // A hidden tab gives its connection back: browsers allow only six to one host.
    const whenSeen = () => {
      if (document.hidden) close();
      else if (!source) {
        failures = 1;
        open();
      }
    };
    open();
    document.addEventListener('visibilitychange', whenSeen);
    const flush = window.setInterval(() => {
      const events = pending.current.splice(0);
      if (events.length === 0) return;
      setFeed((before) => [...events.reverse(), ...before].slice(0, FEED_LENGTH));
      refresh(client, [...new Set(events.flatMap((event) => stale[event.type] ?? []))]);
    }, FLUSH_MS);
    return () => {
      close();
      document.removeEventListener('visibilitychange', whenSeen);
      window.clearInterval(flush);
    };
  }, [client]);

  useEffect(() => {
    if (state !== 'polling') return;
    const poll = window.setInterval(() => refresh(client, everything), POLL_MS);
    return () => window.clearInterval(poll);
  }, [client, state]);

  const value = useMemo(() => ({ state, feed }), [state, feed]);
  return <LiveContext value={value}>{children}</LiveContext>;
}
