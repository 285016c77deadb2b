import { useEffect, useState } from 'react';
import { api } from '../../api/client';
import type { Understanding } from '../../api/types';

const PAUSE = 450;
const SHORTEST = 4;
const LEAST = 0.01;

/** What the platform makes of a text while it is being written; null where it says nothing. */
export function useUnderstanding(text: string): Understanding | null {
  const [found, setFound] = useState<Understanding | null>(null);
  useEffect(() => {
    const words = text.trim();
    if (words.length < SHORTEST) {
      setFound(null);
      return;
    }
    let stale = false;
    const timer = window.setTimeout(() => {
      api.post<Understanding>('/classify', { text: words }).then(
        (answer) => !stale && setFound({ ...answer, alternatives: answer.alternatives.filter(({ category, confidence }) => category !== 'none' && confidence >= LEAST).slice(0, 3) }),
        () => !stale && setFound(null), // everything can be entered by hand
      );
    }, PAUSE);
    return () => {
      stale = true;
      window.clearTimeout(timer);
    };
  }, [text]);
  return found;
}
