import { Drawer, Segmented } from 'antd';
import { Link } from 'react-router';
import type { Evaluation, EvaluationCase } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { useDefinitions, useDuration } from './definitions';

const parts = ['numerator', 'denominator', 'missed'] as const;

/** The cases behind one figure of one group, or of all together; what is shown stands in the address. */
export function CasesDrawer({ data }: { data: Evaluation }) {
  const { t, word } = useTexts();
  const view = useView();
  const duration = useDuration();
  const { name, define } = useDefinitions(data.definitions);
  const figure = view.get('figure');
  const definition = data.definitions.find((each) => each.key === figure);
  if (!definition) return null;
  const group = view.get('group');
  const part = parts.find((each) => each === view.get('part')) ?? 'numerator';
  const query = { indicator: figure, part, from: data.from, to: data.to, ...(group === 'total' ? {} : { by: data.by, key: group }) };
  const groupName = group === 'total' ? data.total.name : data.rows.find(({ key }) => key === group)?.name;
  return (
    <Drawer open size="min(960px, 100%)" title={`${groupName ?? group} · ${name(figure)}`} onClose={() => view.set({ figure: null, group: null, part: null, page: null })} data-testid="cases">
      <p className="muted">{define(figure)}</p>
      {definition.kind === 'rate' && (
        <Segmented className="cases-part" value={part} onChange={(value) => view.set({ part: value, page: null })} options={parts.map((each) => ({ value: each, label: t(`evaluation.part.${each}`) }))} />
      )}
      <PagedTable<EvaluationCase>
        path="/evaluation/cases"
        query={query}
        rowKey={(row) => `${row.incident_id}-${row.task?.seq ?? ''}-${row.tracking_number ?? ''}`}
        columns={[
          {
            title: t('field.incident'),
            key: 'title',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/incidents/${row.incident_id}`}>{row.title}</Link>
                <small>
                  <span className="num">{row.number}</span> · {row.category_name}
                  {row.tracking_number && ` · ${row.tracking_number}`}
                </small>
              </div>
            ),
          },
          { title: t('field.state'), key: 'state', width: 104, render: (_, row) => <span className={`state state-${row.state}`}>{word('state', row.state, row.state_name)}</span> },
          { title: t('field.unit'), key: 'unit', width: 170, ellipsis: true, render: (_, row) => row.task?.unit_name ?? row.unit_name ?? '—' },
          { title: t('field.opened'), key: 'opened', width: 130, render: (_, row) => showTime(row.opened_at) },
          { title: t('evaluation.seconds'), key: 'seconds', width: 110, align: 'right', render: (_, row) => <span className="num">{duration(row.seconds)}</span> },
        ]}
      />
    </Drawer>
  );
}
