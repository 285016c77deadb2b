import type { Evaluation } from '../../api/types';
import { useTexts } from '../../i18n';

export const percent = (rate: number | null | undefined) => (rate == null ? '—' : `${(rate * 100).toFixed(1).replace(/\.0$/, '')}%`);

/** What a figure counts, in words: the server's own definition. */
export function useDefinitions(definitions: Evaluation['definitions']): (key: string) => string {
  const { t } = useTexts();
  return (key) => {
    const found = definitions.find((each) => each.key === key);
    if (!found) return '';
    return found.denominator
      ? t('evaluation.ratio', { name: found.name, numerator: found.numerator, denominator: found.denominator })
      : t('evaluation.number', { name: found.name, numerator: found.numerator });
  };
}
