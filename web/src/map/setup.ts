import * as maplibregl from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
// Vite must bundle the worker and hand over its address: without it the map stays empty.
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import type { Shade } from '../app/theme';
import type { Level } from '../api/types';
import { levelColour, levelShape } from '../ui/level';

maplibregl.setWorkerUrl(workerUrl);

declare global {
  interface Window {
    /** True while the map has drawn all it was asked to; browser tests wait for it. */
    __mapIdle?: boolean;
  }
}

export const cityBounds: [number, number, number, number] = [105.2, 28.1, 110.3, 32.3];
export const centreBounds: [number, number, number, number] = [106.2, 29.3, 106.85, 29.85];

/** Room around the whole city, more at the bottom where pages lay their panels. */
export const roomy = { top: 20, left: 24, right: 24, bottom: 84 };

export const fonts = ['Noto Sans CJK SC', 'Source Han Sans SC', 'Microsoft YaHei', 'sans-serif'];

interface Palette {
  ground: string;
  land: string;
  border: string;
  river: string;
  label: string;
  halo: string;
  panel: string;
}

export const palettes: Record<Shade, Palette> = {
  dark: {
    ground: '#0b1016',
    land: '#161f29',
    border: '#33424f',
    river: '#21455a',
    label: '#8fa0ae',
    halo: '#0e151c',
    panel: '#10171e',
  },
  light: {
    ground: '#e9edf0',
    land: '#fafbfb',
    border: '#c2ccd4',
    river: '#b5d3e3',
    label: '#5d6c79',
    halo: '#ffffff',
    panel: '#ffffff',
  },
};

export function addShapes(map: maplibregl.Map, shade: Shade): void {
  const scale = 3;
  for (const level of [1, 2, 3, 4] as const) {
    for (const kind of ['warning', 'incident'] as const) {
      const name = `${kind}-${level}`;
      if (map.hasImage(name)) map.removeImage(name);
      map.addImage(name, drawShape(level, kind === 'warning', palettes[shade].panel, scale), { pixelRatio: scale });
    }
  }
}

function drawShape(level: Level, hollow: boolean, panel: string, scale: number): ImageData {
  const size = 30 * scale;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const context = canvas.getContext('2d');
  if (!context) return new ImageData(size, size);
  context.scale(scale, scale);
  context.translate(3, 3);
  context.lineJoin = 'round';
  const path = new Path2D(levelShape[level]);
  context.strokeStyle = panel;
  context.lineWidth = 5;
  context.stroke(path);
  context.fillStyle = hollow ? panel : levelColour[level];
  context.fill(path);
  context.strokeStyle = levelColour[level];
  context.lineWidth = hollow ? 3 : 1;
  context.stroke(path);
  return context.getImageData(0, 0, size, size);
}

export { maplibregl };
