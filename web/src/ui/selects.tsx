import { Select } from 'antd';
import { useEffect, useState } from 'react';
import { useGet } from '../api/hooks';
import type { Category, Division, Paged, Unit } from '../api/types';
import { useTexts } from '../i18n';

function useDelayed(value: string): string {
  const [delayed, setDelayed] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setDelayed(value), 250);
    return () => window.clearTimeout(timer);
  }, [value]);
  return delayed;
}

/** Keeps Enter from taking what was found for fewer letters, until the server has answered for all of them. */
export function namedSo(typed: string, option?: { value: string; label: string }): boolean {
  return option !== undefined && `${option.label} ${option.value}`.toLowerCase().includes(typed.trim().toLowerCase());
}

interface Field {
  value?: string;
  onChange?: (value: string | undefined) => void;
  id?: string;
  allowClear?: boolean;
  placeholder?: string;
  testId?: string;
}

/** Picks a unit, or several; the server searches. */
export function UnitSelect({ placeholder, testId = 'unit-select', allowClear = false, multiple = false, ...field }: Field & { multiple?: boolean }) {
  const { t } = useTexts();
  const [typed, setTyped] = useState('');
  const units = useGet<Paged<Unit>>('/units', { q: useDelayed(typed), size: 50 }, { keep: true, staleTime: 60_000 });
  return (
    <Select
      {...field}
      {...(multiple ? { mode: 'multiple' as const } : {})}
      showSearch={{ filterOption: namedSo, onSearch: setTyped }}
      allowClear={allowClear}
      options={(units.data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }))}
      loading={units.isFetching}
      placeholder={placeholder ?? t('field.unit')}
      aria-label={placeholder ?? t('field.unit')}
      data-testid={testId}
      className="grow"
    />
  );
}

/** Picks a district, or a street within one; the server searches. */
export function DivisionSelect({
  placeholder,
  testId = 'division-filter',
  allowClear = true,
  tier = 'district',
  within,
  ...field
}: Field & { tier?: 'district' | 'street'; within?: string }) {
  const { t } = useTexts();
  const [typed, setTyped] = useState('');
  const divisions = useGet<Paged<Division>>('/divisions', { tier, parent: tier === 'street' ? within : undefined, q: useDelayed(typed), size: 60 }, { keep: true, staleTime: 600_000 });
  return (
    <Select
      {...field}
      showSearch={{ filterOption: namedSo, onSearch: setTyped }}
      allowClear={allowClear}
      options={(divisions.data?.items ?? []).map(({ code, name }) => ({ value: code, label: name }))}
      placeholder={placeholder ?? t('field.division')}
      aria-label={placeholder ?? t('field.division')}
      popupMatchSelectWidth={false}
      data-testid={testId}
    />
  );
}

/** Picks a category by its name or by what people call it; with `any` also the rest of them all. */
export function CategorySelect({ placeholder, testId = 'category-filter', allowClear = true, any = false, ...field }: Field & { any?: boolean }) {
  const { t, lang } = useTexts();
  const categories = useGet<Category[]>('/categories', {}, { staleTime: Infinity });
  const list = categories.data ?? [];
  const options = list.map(({ code, name, name_en: english, words }) => ({ value: code, label: lang === 'zh' ? name : english, words: `${name} ${english} ${code} ${words.join(' ')}`.toLowerCase() }));
  return (
    <Select
      {...field}
      showSearch={{ filterOption: (typed, option) => option?.words.includes(typed.trim().toLowerCase()) ?? false }}
      allowClear={allowClear}
      options={any ? [...options, { value: '*', label: t('responsibility.rest'), words: '*' }] : options}
      placeholder={placeholder ?? t('field.category')}
      aria-label={placeholder ?? t('field.category')}
      popupMatchSelectWidth={false}
      data-testid={testId}
    />
  );
}

/** The name of a category in the reader's language. */
export function useCategoryName(): (code: string, fallback: string) => string {
  const { lang } = useTexts();
  const categories = useGet<Category[]>('/categories', {}, { staleTime: Infinity });
  const list = categories.data ?? [];
  return (code, fallback) => {
    const known = list.find((each) => each.code === code);
    return (lang === 'zh' ? known?.name : known?.name_en) ?? fallback;
  };
}
