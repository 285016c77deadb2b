import type { Definition, Evaluation, EvaluationRow, Spread } from '../../api/types';
import { useTexts } from '../../i18n';

export const percent = (rate: number | null | undefined) => (rate == null ? '—' : `${(rate * 100).toFixed(1).replace(/\.0$/, '')}%`);

type KeysOf<V> = { [K in keyof EvaluationRow]: EvaluationRow[K] extends V ? K : never }[keyof EvaluationRow];
export type CountKey = KeysOf<number>;
export type RateKey = Exclude<KeysOf<number | null>, CountKey>;
export type TimeKey = KeysOf<Spread>;
export type FigureKey = CountKey | RateKey | TimeKey;

/** A length of time in the largest units that tell it. */
export function useDuration(): (seconds: number | null | undefined) => string {
  const { t } = useTexts();
  return (seconds) => {
    if (seconds == null) return '—';
    if (seconds < 90) return t('duration.s', { n: Math.round(seconds) });
    if (seconds < 5400) return t('duration.min', { n: Math.round(seconds / 60) });
    const hours = seconds / 3600;
    return hours < 48 ? t('duration.h', { n: hours.toFixed(1) }) : t('duration.d', { n: (hours / 24).toFixed(1) });
  };
}

/** The name of a figure, and what it counts in words: the server's own definition. */
export function useDefinitions(definitions: Evaluation['definitions']): { name: (key: string) => string; define: (key: string) => string } {
  const { t, lang } = useTexts();
  const zh = lang === 'zh';
  const find = (key: string): Definition | undefined => definitions.find((each) => each.key === key);
  const name = (key: string) => {
    const found = find(key);
    return found ? (zh ? found.name : found.name_en) : key;
  };
  const define = (key: string) => {
    const found = find(key);
    if (!found) return '';
    const [numerator, denominator, exclusions, follows] = zh
      ? [found.numerator, found.denominator, found.exclusions, found.follows]
      : [found.numerator_en, found.denominator_en, found.exclusions_en, found.follows_en];
    const text = denominator ? t('evaluation.ratio', { name: name(key), numerator, denominator }) : t('evaluation.number', { name: name(key), numerator });
    return [text, exclusions, follows].filter(Boolean).join(' · ');
  };
  return { name, define };
}
