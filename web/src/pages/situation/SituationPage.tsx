import { Segmented } from 'antd';
import { lazy, Suspense, useMemo } from 'react';
import { useGet } from '../../api/hooks';
import type { Incident, IncidentFlat, Paged, Situation, Warning } from '../../api/types';
import { useTexts } from '../../i18n';
import { useKeys } from '../../lib/keys';
import { useView } from '../../lib/view';
import { Counters } from './Counters';
import { IncidentsPanel, WarningsPanel } from './Lists';
import { NewsFeed } from './NewsFeed';
import { SelectionCard } from './SelectionCard';
import { selectionOf, type Selection } from './selection';

const SituationMap = lazy(() => import('./SituationMap'));

const gravestFirst = (page: Paged<Warning>): Paged<Warning> => ({
  ...page,
  items: [...page.items].sort((a, b) => a.level - b.level || b.opened_at.localeCompare(a.opened_at)),
});

/** The duty room's page: what is going on now, on the map and in two lists that share one selection. */
export default function SituationPage() {
  const { t } = useTexts();
  const view = useView();
  const counts = useGet<Situation>('/situation');
  const newest = useGet<Paged<Warning>>('/warnings', { state: 'open', size: 200 }, { keep: true });
  const sorted = useMemo(() => newest.data && gravestFirst(newest.data), [newest.data]);
  const warnings = { data: sorted, error: newest.error, isPending: newest.isPending, refetch: newest.refetch };
  const incidents = useGet<Paged<IncidentFlat>>('/incidents', { state: 'open', sort: '-opened_at', size: 100 }, { keep: true });
  const selection = selectionOf(view.get('sel'));
  const phoneTab = view.get('list') === 'incidents' ? 'incidents' : 'warnings';

  const picked = useGet<Warning | Incident>(
    selection ? `/${selection.kind}s/${encodeURIComponent(selection.id)}` : null,
    {},
    { staleTime: 2000 },
  );
  const select = (next: Selection | null) => view.set({ sel: next ? `${next.kind}:${next.id}` : null });

  const order = useMemo<Selection[]>(
    () => [
      ...(sorted?.items ?? []).map(({ id }) => ({ kind: 'warning' as const, id })),
      ...(incidents.data?.items ?? []).map(({ id }) => ({ kind: 'incident' as const, id })),
    ],
    [sorted, incidents.data],
  );
  const step = (by: number) => {
    const at = selection ? order.findIndex(({ kind, id }) => kind === selection.kind && id === selection.id) : -1;
    const next = order[Math.max(0, Math.min(order.length - 1, at + by))];
    if (next) select(next);
  };
  useKeys({ j: () => step(1), k: () => step(-1), Escape: () => select(null) });

  return (
    <div className="situation" data-list={phoneTab}>
      <Counters answer={counts} />
      <WarningsPanel answer={warnings} selection={selection} onSelect={select} />
      <section className="situation-map" aria-label={t('map.label')}>
        <Suspense fallback={null}>
          <SituationMap districts={counts.data?.districts ?? []} selection={selection} picked={picked.data ?? null} onSelect={select} />
        </Suspense>
        <NewsFeed warnings={sorted?.items ?? []} incidents={incidents.data?.items ?? []} onSelect={select} />
        {selection && <SelectionCard selection={selection} answer={picked} onClose={() => select(null)} onSelect={select} />}
      </section>
      <IncidentsPanel answer={incidents} selection={selection} onSelect={select} />
      <Segmented
        className="situation-switch"
        block
        value={phoneTab}
        onChange={(value) => view.set({ list: value })}
        options={[
          { value: 'warnings', label: t('situation.warnings') },
          { value: 'incidents', label: t('situation.incidents') },
        ]}
      />
    </div>
  );
}
