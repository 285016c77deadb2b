import { Skeleton } from 'antd';
import { lazy, Suspense, useMemo } from 'react';
import { useGet } from '../api/hooks';
import type { Series } from '../api/types';
import { useShade } from '../app/theme';
import { useTexts } from '../i18n';
import { showFullTime, showTime, cityTime } from '../lib/time';
import { chartInk, type ChartOption } from './chart-option';
import { levelColour } from './level';
import { useMetricName } from './names';
import { Answered } from './states';

const Chart = lazy(() => import('./Chart'));

interface Props {
  device: string;
  metric: string;
  from?: string | undefined;
  to?: string | undefined;
  /** A moment to mark, such as the opening of a warning. */
  mark?: string | undefined;
  height?: number;
  live?: boolean;
}

/** A device's readings over time with the lines at which warnings open. */
export function ReadingsChart({ device, metric, from, to, mark, height = 240, live = false }: Props) {
  const { t, word } = useTexts();
  const { shade } = useShade();
  const metricName = useMetricName();
  const answer = useGet<Series>(
    `/devices/${encodeURIComponent(device)}/readings`,
    { metric, from, to, points: 600 },
    { keep: true, refetchInterval: live ? 5000 : false },
  );
  const series = answer.data;
  const option = useMemo<ChartOption>(() => {
    const ink = chartInk[shade];
    const points = series?.points ?? [];
    const values = points.flatMap(([, value]) => (value === null ? [] : [value]));
    const lines = series?.thresholds ?? [];
    const low = Math.min(...values, ...lines.map(({ value }) => value));
    const high = Math.max(...values, ...lines.map(({ value }) => value));
    const range = high - low || Math.abs(high) || 1;
    const room = range * 0.08;
    const compact = height < 180;
    // Lines close together share the space of one label: the gravest keeps it.
    const labelled: number[] = [];
    const withLabels = [...lines]
      .sort((a, b) => a.level - b.level)
      .map((line) => {
        const clear = labelled.every((other) => Math.abs(other - line.value) > (range * 1.16 * 15) / (height - 56));
        if (clear) labelled.push(line.value);
        return { ...line, clear };
      });
    return {
      animation: false,
      grid: { left: 8, right: 64, top: compact ? 10 : 28, bottom: 8, containLabel: true },
      tooltip: {
        trigger: 'axis',
        backgroundColor: ink.panel,
        borderColor: ink.line,
        textStyle: { color: ink.text, fontSize: 12 },
        formatter: (shown) => {
          const first = Array.isArray(shown) ? shown[0] : shown;
          const [time, value] = (first?.value ?? []) as [string, number];
          const quality = points[first?.dataIndex ?? -1]?.[2] ?? 'good';
          const note = quality === 'good' ? '' : ` · ${word('quality', quality)}`;
          return `${showFullTime(time)}<br/><b>${value}</b> ${series?.unit ?? ''}${note}`;
        },
      },
      xAxis: {
        type: 'time',
        axisLine: { lineStyle: { color: ink.line } },
        axisLabel: { color: ink.faint, hideOverlap: true, formatter: (value: number) => cityTime(value).format('HH:mm') },
        splitLine: { show: false },
      },
      yAxis: {
        type: 'value',
        name: compact ? '' : (series?.unit ?? ''),
        nameTextStyle: { color: ink.faint, align: 'right' },
        min: Number.isFinite(low) ? Number((low - room).toPrecision(4)) : 0,
        max: Number.isFinite(high) ? Number((high + room).toPrecision(4)) : 1,
        axisLabel: { color: ink.faint, hideOverlap: true, showMinLabel: false, showMaxLabel: false },
        splitLine: { lineStyle: { color: ink.line } },
      },
      series: [
        {
          type: 'line',
          data: points.map(([time, value]) => [time, value]),
          showSymbol: points.length < 2,
          connectNulls: false,
          lineStyle: { width: 1.8, color: ink.series[0] ?? '#2bb3ab' },
          itemStyle: { color: ink.series[0] ?? '#2bb3ab' },
          markLine: {
            symbol: 'none',
            silent: true,
            data: [
              ...withLabels.map(({ level, value, clear }) => ({
                yAxis: value,
                lineStyle: { color: levelColour[level], type: 'dashed' as const, width: 1.2 },
                label: { show: clear, position: 'end' as const, formatter: `${t(`level.${level}`)} ${value}`, color: levelColour[level], fontSize: 11 },
              })),
              ...(mark
                ? [
                    {
                      xAxis: Date.parse(mark),
                      lineStyle: { color: ink.faint, type: 'solid' as const, width: 1 },
                      label: { show: !compact, position: 'end' as const, rotate: 0, formatter: t('chart.opened', { time: showTime(mark) }), color: ink.faint, fontSize: 11 },
                    },
                  ]
                : []),
            ],
          },
        },
      ],
    };
  }, [height, mark, series, shade, t, word]);

  return (
    <Answered answer={answer} empty={(data) => data.points.length === 0} emptyText="chart.empty">
      {() => (
        <Suspense fallback={<Skeleton active paragraph={{ rows: 4 }} />}>
          <Chart option={option} height={height} label={t('chart.readings', { metric: metricName(metric) })} />
        </Suspense>
      )}
    </Answered>
  );
}
