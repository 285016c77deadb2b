import type { BarSeriesOption, LineSeriesOption } from 'echarts/charts';
import type { GridComponentOption, LegendComponentOption, MarkLineComponentOption, TooltipComponentOption } from 'echarts/components';
import type { ComposeOption } from 'echarts/core';
import type { Shade } from '../app/theme';

export type ChartOption = ComposeOption<
  | BarSeriesOption
  | LineSeriesOption
  | GridComponentOption
  | LegendComponentOption
  | MarkLineComponentOption
  | TooltipComponentOption
>;

export interface ChartInk {
  text: string;
  faint: string;
  line: string;
  series: string[];
  panel: string;
}

export const chartInk: Record<Shade, ChartInk> = {
  dark: { text: '#b8c3cd', faint: '#7f8d9a', line: '#26313c', series: ['#2bb3ab', '#6d9df0', '#c2a14d', '#8a94a3'], panel: '#1a232d' },
  light: { text: '#3c4854', faint: '#7b8894', line: '#e6eaee', series: ['#0c8a84', '#3f74d1', '#a5822a', '#8a94a3'], panel: '#ffffff' },
};
