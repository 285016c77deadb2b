import { DatePicker, Segmented, Tooltip } from 'antd';
import dayjs from 'dayjs';
import { useMemo } from 'react';
import { useGet } from '../../api/hooks';
import type { Evaluation } from '../../api/types';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { asCityInstant, cityTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page, Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { EvaluationTable } from './EvaluationTable';
import { GroupChart } from './GroupChart';
import { percent, useDefinitions } from './definitions';

const groupings = ['unit', 'division', 'tier'] as const;
const spans = ['today', 'week', 'month'] as const;
type SpanName = (typeof spans)[number];
const daysBack: Record<SpanName, number> = { today: 0, week: 6, month: 29 };

function useRange() {
  const view = useView();
  const from = view.get('from');
  const to = view.get('to');
  const name = (spans as readonly string[]).includes(view.get('range')) ? (view.get('range') as SpanName) : 'today';
  const day = cityTime(platformNow()).format('YYYY-MM-DD');
  return useMemo(() => {
    if (from && to) return { name: null, from, to };
    const start = cityTime(`${day}T00:00:00+08:00`);
    return { name, from: start.subtract(daysBack[name], 'day').toISOString(), to: start.add(1, 'day').toISOString() };
  }, [from, to, name, day]);
}

export default function EvaluationPage() {
  const { t } = useTexts();
  const view = useView();
  const range = useRange();
  const asked = view.get('by');
  const by = groupings.find((each) => each === asked) ?? 'unit';
  const answer = useGet<Evaluation>('/evaluation', { by, from: range.from, to: range.to }, { keep: true });
  return (
    <Page
      title={t('evaluation.title')}
      extra={
        <>
          <Segmented value={range.name ?? 'other'} onChange={(value) => view.set({ range: String(value), from: null, to: null })} options={spans.map((name) => ({ value: name, label: t(`evaluation.${name}`) }))} />
          <DatePicker.RangePicker
            value={range.name ? null : [dayjs(cityTime(range.from).format('YYYY-MM-DDTHH:mm')), dayjs(cityTime(range.to).format('YYYY-MM-DDTHH:mm'))]}
            showTime={{ format: 'HH:mm' }}
            format="MM-DD HH:mm"
            onChange={(chosen) => {
              const [start, end] = chosen ?? [];
              view.set(start && end ? { from: asCityInstant(start), to: asCityInstant(end), range: null } : { from: null, to: null });
            }}
          />
        </>
      }
    >
      <Answered answer={answer} rows={10}>
        {(data) => (
          <>
            <Totals data={data} />
            <Panel
              title={t('evaluation.table')}
              className="panel-flush"
              extra={<Segmented size="small" value={by} onChange={(value) => view.set({ by: value })} options={groupings.map((each) => ({ value: each, label: t(`evaluation.by.${each}`) }))} />}
            >
              <EvaluationTable data={data} by={by} />
            </Panel>
            {data.rows.length > 0 && (
              <div className="evaluation-grid">
                <Panel title={t('evaluation.rates')}>
                  <GroupChart rows={data.rows} keys={['accept_rate', 'handle_rate']} label={t('evaluation.rates')} percent />
                </Panel>
                <Panel title={t('evaluation.counts')}>
                  <GroupChart rows={data.rows} keys={['opened', 'closed']} label={t('evaluation.counts')} />
                </Panel>
              </div>
            )}
          </>
        )}
      </Answered>
    </Page>
  );
}

function Totals({ data }: { data: Evaluation }) {
  const { t } = useTexts();
  const define = useDefinitions(data.definitions);
  const total = data.total;
  const tiles = [
    { key: 'opened', value: String(total.opened) },
    { key: 'closed', value: String(total.closed) },
    { key: 'accept_rate', value: percent(total.accept_rate) },
    { key: 'handle_rate', value: percent(total.handle_rate) },
    { key: 'close_rate', value: percent(total.close_rate) },
    { key: 'return_rate', value: percent(total.return_rate) },
    { key: 'overdue_open', value: String(total.overdue_open), tone: total.overdue_open > 0 ? 'tone-over' : '' },
  ] as const;
  return (
    <div className="kpis">
      {tiles.map((tile) => (
        <Tooltip key={tile.key} title={define(tile.key)}>
          <div className="kpi" tabIndex={0}>
            <span>{t(`kpi.${tile.key}`)}</span>
            <b className={'tone' in tile ? tile.tone : ''} data-testid={`kpi-${tile.key}`}>
              {tile.value}
            </b>
          </div>
        </Tooltip>
      ))}
    </div>
  );
}
