import { Skeleton } from 'antd';
import { lazy, Suspense, useMemo } from 'react';
import type { Evaluation, EvaluationRow } from '../../api/types';
import { useShade } from '../../app/theme';
import { chartInk, type ChartOption } from '../../ui/chart-option';
import { useDefinitions, type CountKey, type RateKey } from './definitions';

const Chart = lazy(() => import('../../ui/Chart'));
const MOST_GROUPS = 10;
const MOST_DAYS = 31;

type Key = CountKey | RateKey;

/** Bars for the groups with most incidents, days in their order; rates are shown in percent. */
export function GroupChart({ data, keys, label, percent = false }: { data: Evaluation; keys: Key[]; label: string; percent?: boolean }) {
  const { name } = useDefinitions(data.definitions);
  const { shade } = useShade();
  const shown = useMemo(() => {
    if (data.by === 'day') return data.rows.slice(-MOST_DAYS).reverse();
    return [...data.rows].sort((a, b) => b.opened - a.opened).slice(0, MOST_GROUPS).reverse();
  }, [data]);
  const option = useMemo<ChartOption>(() => {
    const ink = chartInk[shade];
    const value = (row: EvaluationRow, key: Key) => {
      const figure = row[key];
      return figure === null || !percent ? figure : Math.round(figure * 1000) / 10;
    };
    return {
      animation: false,
      grid: { left: 4, right: 24, top: 34, bottom: 4, containLabel: true },
      legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 8, textStyle: { color: ink.text } },
      tooltip: {
        trigger: 'axis',
        axisPointer: { type: 'shadow' },
        backgroundColor: ink.panel,
        borderColor: ink.line,
        textStyle: { color: ink.text },
        valueFormatter: (figure) => (typeof figure === 'number' ? `${figure}${percent ? '%' : ''}` : '—'),
      },
      xAxis: {
        type: 'value',
        ...(percent ? { max: 100 } : { minInterval: 1 }),
        axisLabel: { color: ink.faint, formatter: percent ? '{value}%' : '{value}' },
        splitLine: { lineStyle: { color: ink.line } },
      },
      yAxis: {
        type: 'category',
        data: shown.map((row) => row.name),
        axisLabel: { color: ink.text, width: 132, overflow: 'truncate' },
        axisTick: { show: false },
        axisLine: { lineStyle: { color: ink.line } },
      },
      series: keys.map((key, index) => ({
        name: name(key),
        type: 'bar',
        barMaxWidth: 9,
        barGap: '30%',
        itemStyle: { color: ink.series[index] ?? ink.text, borderRadius: 2 },
        data: shown.map((row) => value(row, key)),
      })),
    };
  }, [keys, name, percent, shade, shown]);
  return (
    <Suspense fallback={<Skeleton active />}>
      <Chart option={option} height={shown.length * 36 + 70} label={label} />
    </Suspense>
  );
}
