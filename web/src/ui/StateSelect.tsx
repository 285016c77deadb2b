import { Select } from 'antd';
import { useTexts } from '../i18n';
import { useView } from '../lib/view';

/** Narrows a list to one state; the choice stands in the address. */
export function StateSelect({ group, value, values }: { group: string; value: string; values: readonly string[] }) {
  const { t, word } = useTexts();
  const view = useView();
  return (
    <Select
      allowClear
      value={value || null}
      placeholder={t('field.state')}
      aria-label={t('field.state')}
      onChange={(next) => view.set({ state: next, page: null })}
      options={values.map((each) => ({ value: each, label: word(group, each) }))}
    />
  );
}
