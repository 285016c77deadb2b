import { DatePicker, Segmented, Skeleton, Tooltip } from 'antd';
import dayjs from 'dayjs';
import { lazy, Suspense, useMemo } from 'react';
import { useGet } from '../../api/hooks';
import type { Evaluation } from '../../api/types';
import { useShade } from '../../app/theme';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { asCityInstant, cityTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { chartInk, type ChartOption } from '../../ui/chart-option';
import { Page, Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { EvaluationTable } from './EvaluationTable';
import { percent, useDefinitions } from './definitions';

const Chart = lazy(() => import('../../ui/Chart'));
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
            <div className="evaluation-grid">
              <Panel
                title={t('evaluation.table')}
                className="panel-flush"
                extra={<Segmented size="small" value={by} onChange={(value) => view.set({ by: value })} options={groupings.map((each) => ({ value: each, label: t(`evaluation.by.${each}`) }))} />}
              >
                <EvaluationTable data={data} by={by} />
              </Panel>
              <Panel title={t('evaluation.chart')}>
                <RateChart data={data} />
              </Panel>
            </div>
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

function RateChart({ data }: { data: Evaluation }) {
  const { t } = useTexts();
  const { shade } = useShade();
  const rows = useMemo(() => [...data.rows].sort((a, b) => b.opened - a.opened).slice(0, 12).reverse(), [data.rows]);
  const option = useMemo<ChartOption>(() => {
    const ink = chartInk[shade];
    const bars = [
      { key: 'accept_rate' as const, colour: ink.series[0] ?? '#2bb3ab' },
      { key: 'handle_rate' as const, colour: ink.series[1] ?? '#6d9df0' },
    ];
    return {
      animation: false,
      grid: { left: 4, right: 44, top: 34, bottom: 4, containLabel: true },
      legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: ink.text } },
      tooltip: { trigger: 'axis', axisPointer: { type: 'shadow' }, backgroundColor: ink.panel, borderColor: ink.line, textStyle: { color: ink.text }, valueFormatter: (value) => (typeof value === 'number' ? `${value}%` : '—') },
      xAxis: { type: 'value', max: 100, axisLabel: { color: ink.faint, formatter: '{value}%' }, splitLine: { lineStyle: { color: ink.line } } },
      yAxis: { type: 'category', data: rows.map(({ name }) => name), axisLabel: { color: ink.text, width: 108, overflow: 'truncate' }, axisTick: { show: false }, axisLine: { lineStyle: { color: ink.line } } },
      series: bars.map(({ key, colour }) => ({
        name: t(`kpi.${key}`),
        type: 'bar',
        barMaxWidth: 9,
        barGap: '30%',
        itemStyle: { color: colour, borderRadius: 2 },
        data: rows.map((row) => (row[key] === null ? null : Math.round(row[key] * 1000) / 10)),
      })),
    };
  }, [rows, shade, t]);
  return (
    <Suspense fallback={<Skeleton active />}>
      <Chart option={option} height={Math.max(220, rows.length * 38 + 60)} label={t('evaluation.chart')} />
    </Suspense>
  );
}
