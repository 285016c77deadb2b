import type { Evaluation } from '../../api/types';
import { useTexts } from '../../i18n';

export const percent = (rate: number | null | undefined) => (rate == null ? '—' : `${(rate * 100).toFixed(1).replace(/\.0$/, '')}%`);

/** What a figure counts, in words: the server's own definition. */
export function useDefinitions(definitions: Evaluation['definitions']): (key: string) => string {
  const { t, lang } = useTexts();
  return (key) => {
    const found = definitions.find((each) => each.key === key);
    if (!found) return '';
    const [name, numerator, denominator] =
      lang === 'zh'
        ? [found.name, found.numerator, found.denominator]
        : [found.name_en, found.numerator_en, found.denominator_en];
    return denominator ? t('evaluation.ratio', { name, numerator, denominator }) : t('evaluation.number', { name, numerator });
  };
}
