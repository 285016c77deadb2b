import { Segmented, Skeleton } from 'antd';
import { lazy, Suspense, useMemo } from 'react';
import { Link } from 'react-router';
import { useGet } from '../../api/hooks';
import type { ModelCall, ModelUsage, Paged } from '../../api/types';
import { useShade } from '../../app/theme';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { chartInk, type ChartOption } from '../../ui/chart-option';
import { Panel } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { Answered } from '../../ui/states';
import { yuan } from './ModelsPage';

const Chart = lazy(() => import('../../ui/Chart'));
const sides = ['route', 'unit', 'purpose', 'model', 'day'] as const;

/** What was called, by whom and for how much. */
export function Usage() {
  const { t, word } = useTexts();
  const { shade } = useShade();
  const view = useView();
  const by = sides.find((each) => each === view.get('by')) ?? 'route';
  const answer = useGet<Paged<ModelUsage>>('/models/usage', { by, size: 50 });
  const rows = answer.data?.items ?? [];
  const option = useMemo<ChartOption>(() => {
    const ink = chartInk[shade];
    return {
      animation: false,
      grid: { left: 4, right: 60, top: 4, bottom: 4, containLabel: true },
      xAxis: { type: 'value', minInterval: 1, axisLabel: { color: ink.faint }, splitLine: { lineStyle: { color: ink.line } } },
      yAxis: { type: 'category', inverse: true, data: rows.map((each) => each.name ?? '—'), axisLabel: { color: ink.text }, axisTick: { show: false }, axisLine: { lineStyle: { color: ink.line } } },
      series: [{ type: 'bar', barMaxWidth: 18, itemStyle: { color: ink.series[0] ?? ink.text, borderRadius: 2 }, label: { show: true, position: 'right', color: ink.text }, data: rows.map((each) => each.calls) }],
    };
  }, [rows, shade]);
  return (
    <div className="stack">
      <Panel title={t('usage.by')} extra={<Segmented value={by} onChange={(value) => view.set({ by: value })} options={sides.map((value) => ({ value, label: t(`usage.${value}`) }))} />}>
        <Answered answer={answer} empty={(found) => found.items.length === 0}>
          {(found) => (
            <>
              <Suspense fallback={<Skeleton active />}>
                <Chart option={option} height={found.items.length * 32 + 30} label={t('usage.by')} />
              </Suspense>
              <table className="effect">
                <tbody>
                  {found.items.map((each) => (
                    <tr key={each.name ?? ''}>
                      <th>{each.name ?? '—'}</th>
                      <td className="num">{t('usage.calls', { count: each.calls, failed: each.failed })}</td>
                      <td className="num">{each.amount.tokens} tokens</td>
                      <td className="num">{yuan(each.amount.money)}</td>
                      <td className="num">{Math.round(each.milliseconds)} ms</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </>
          )}
        </Answered>
      </Panel>
      <Panel title={t('usage.latest')} className="panel-flush">
        <PagedTable<ModelCall>
          path="/models/calls"
          rowKey="id"
          columns={[
            { title: t('usage.at'), key: 'at', width: 130, render: (_, row) => showTime(row.at) },
            { title: t('route.name'), key: 'route', render: (_, row) => `${row.route} · ${row.target}` },
            { title: t('usage.purpose'), key: 'purpose', render: (_, row) => (row.trace ? <Link to={`/agents/runs/${row.trace}`}>{row.purpose || row.trace}</Link> : row.purpose || '—') },
            { title: 'tokens', key: 'tokens', width: 110, render: (_, row) => <span className="num">{`${row.tokens_in} / ${row.tokens_out}`}</span> },
            { title: 'ms', key: 'ms', width: 80, render: (_, row) => <span className="num">{row.milliseconds}</span> },
            { title: t('field.state'), key: 'outcome', width: 130, render: (_, row) => word('outcome.call', row.outcome, row.outcome_name) },
          ]}
        />
      </Panel>
    </div>
  );
}
