import { Select } from 'antd';
import { useEffect, useState } from 'react';
import { useGet } from '../../api/hooks';
import type { Division, Paged, PlaceFound } from '../../api/types';
import { useTexts } from '../../i18n';
import { namedSo } from '../../ui/selects';

interface Props {
  known: PlaceFound[];
  value?: string;
  id?: string;
  onChange?: (value: string | undefined) => void;
}

/** Picks a district or street by typing; what the words told stands first. */
export function AnyDivisionSelect({ known, ...field }: Props) {
  const { t } = useTexts();
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState('');
  useEffect(() => {
    const timer = window.setTimeout(() => setAsked(typed), 200);
    return () => window.clearTimeout(timer);
  }, [typed]);
  const districts = useGet<Paged<Division>>('/divisions', { tier: 'district', size: 60 }, { staleTime: 600_000 });
  const found = useGet<Paged<Division>>(asked ? '/divisions' : null, { q: asked, size: 30 }, { keep: true, staleTime: 600_000 });
  const nameOf = new Map((districts.data?.items ?? []).map(({ code, name }) => [code, name]));
  const full = ({ code, name, parent_code: parent }: Division) => (parent && code.length === 9 ? `${nameOf.get(parent) ?? ''}${name}` : name);
  const listed = asked ? (found.data?.items ?? []) : (districts.data?.items ?? []);
  const options = new Map(known.map((place) => [place.code, place.full_name]));
  for (const division of listed) if (!options.has(division.code)) options.set(division.code, full(division));
  return (
    <Select
      {...field}
      showSearch={{ filterOption: namedSo, onSearch: setTyped }}
      options={[...options].map(([value, label]) => ({ value, label }))}
      placeholder={t('field.division')}
      aria-label={t('field.division')}
      popupMatchSelectWidth={false}
      data-testid="intake-division"
      className="grow"
    />
  );
}
