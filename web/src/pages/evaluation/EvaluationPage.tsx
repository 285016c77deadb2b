import { FileExcelOutlined, PrinterOutlined } from '@ant-design/icons';
import { Button, DatePicker, Segmented, Tooltip } from 'antd';
import dayjs from 'dayjs';
import { useMemo } from 'react';
import { withQuery } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { Evaluation } from '../../api/types';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { asCityInstant, cityTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page, Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { CasesDrawer } from './CasesDrawer';
import { EvaluationTable } from './EvaluationTable';
import { GroupChart } from './GroupChart';
import { percent, useDefinitions, useDuration, type FigureKey } from './definitions';

const groupings = ['unit', 'tier', 'division', 'category', 'channel', 'day'] as const;
export type Grouping = (typeof groupings)[number];
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
  const span = { from: range.from, to: range.to };
  const answer = useGet<Evaluation>('/evaluation', { by, ...span }, { keep: true });
  const onFigure = (figure: FigureKey, group: string) => view.set({ figure, group, part: null, page: null });
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
          <Button icon={<FileExcelOutlined />} href={withQuery('/api/evaluation/export.xlsx', span)}>
            Excel
          </Button>
          <Button icon={<PrinterOutlined />} href={withQuery('/api/print/evaluation', { by, ...span })} target="_blank">
            {t('print')}
          </Button>
        </>
      }
    >
      <Answered answer={answer} rows={10}>
        {(data) => (
          <>
            <Totals data={data} onFigure={onFigure} />
            <Panel
              title={t('evaluation.table')}
              className="panel-flush"
              extra={<Segmented size="small" value={by} onChange={(value) => view.set({ by: value })} options={groupings.map((each) => ({ value: each, label: t(`evaluation.by.${each}`) }))} />}
            >
              <EvaluationTable data={data} by={by} onFigure={onFigure} />

            </Panel>
            <CasesDrawer data={data} />
            {data.rows.length > 0 && (
              <div className="evaluation-grid">
                <Panel title={t('evaluation.rates')}>
                  <GroupChart data={data} keys={['accept_rate', 'handle_rate', 'on_time_close_rate']} label={t('evaluation.rates')} percent />
                </Panel>
                <Panel title={t('evaluation.counts')}>
                  <GroupChart data={data} keys={['opened', 'closed']} label={t('evaluation.counts')} />
                </Panel>
              </div>
            )}
          </>
        )}
      </Answered>
    </Page>
  );
}

function Totals({ data, onFigure }: { data: Evaluation; onFigure: (key: FigureKey, group: string) => void }) {
  const { name, define } = useDefinitions(data.definitions);
  const duration = useDuration();
  const total = data.total;
  const tiles: { key: FigureKey; value: string; tone?: string }[] = [
    { key: 'opened', value: String(total.opened) },
    { key: 'closed', value: String(total.closed) },
    { key: 'accept_rate', value: percent(total.accept_rate) },
    { key: 'handle_rate', value: percent(total.handle_rate) },
    { key: 'on_time_close_rate', value: percent(total.on_time_close_rate) },
    { key: 'close_rate', value: percent(total.close_rate) },
    { key: 'return_rate', value: percent(total.return_rate) },
    { key: 'satisfaction_rate', value: percent(total.satisfaction_rate) },
    { key: 'time_whole', value: duration(total.time_whole.median) },
    { key: 'overdue_open', value: String(total.overdue_open), tone: total.overdue_open > 0 ? 'tone-over' : '' },
  ];
  return (
    <div className="kpis">
      {tiles.map((tile) => (
        <Tooltip key={tile.key} title={define(tile.key)}>
          <button type="button" className="kpi" onClick={() => onFigure(tile.key, 'total')}>
            <span>{name(tile.key)}</span>
            <b className={tile.tone} data-testid={`kpi-${tile.key}`}>
              {tile.value}
            </b>
          </button>
        </Tooltip>
      ))}
    </div>
  );
}
