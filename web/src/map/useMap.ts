import { useEffect, useRef, useState, type RefObject } from 'react';
import { useGet } from '../api/hooks';
import { useShade, type Shade } from '../app/theme';
import { useTexts } from '../i18n';
import { platformNow } from '../lib/clock';
import { cityTime } from '../lib/time';
import { addShapes, cityBounds, fonts, maplibregl, palettes, roomy } from './setup';

type Properties = Record<string, unknown>;
export interface Outline {
  type: 'FeatureCollection';
  features: { type: 'Feature'; geometry: { type: string; coordinates: unknown }; properties: Properties }[];
}

type Ring = [number, number][];

interface Spot {
  area: number;
  point: [number, number];
}

/** The middle of a district's largest part, where its name stands. */
function labelSpot(geometry: { type: string; coordinates: unknown }): Spot {
  const parts = (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates) as Ring[][];
  let best: Spot = { area: -1, point: [0, 0] };
  for (const [ring] of parts) {
    if (!ring) continue;
    let twice = 0;
    let x = 0;
    let y = 0;
    ring.forEach(([ax, ay], index) => {
      const [bx, by] = ring[(index + 1) % ring.length] ?? [ax, ay];
      const cross = ax * by - bx * ay;
      twice += cross;
      x += (ax + bx) * cross;
      y += (ay + by) * cross;
    });
    const area = Math.abs(twice);
    if (area > best.area && twice !== 0) best = { area, point: [x / (3 * twice), y / (3 * twice)] };
  }
  return best;
}

/**
 * Outlines of abolished districts stand in for their successor, of which no outline is known:
 * they carry its code, so they are shaded together.
 */
function present(outline: Outline, today: string): Outline {
  return {
    ...outline,
    features: outline.features.map((feature) => {
      const { valid_to: end, successor_code: code, successor_name: name } = feature.properties;
      const gone = typeof end === 'string' && end <= today && typeof code === 'string';
      return gone ? { ...feature, properties: { ...feature.properties, code, name } } : feature;
    }),
  };
}

const only = (outline: Outline, kind: string): Outline => ({
  type: 'FeatureCollection',
  features: outline.features.filter(({ properties }) => properties.kind === kind),
});

/** One name for each district, in its largest part. */
function labels(outline: Outline): Outline {
  const spots = new Map<unknown, Spot & { name: unknown }>();
  for (const { geometry, properties } of outline.features) {
    const spot = labelSpot(geometry);
    if (spot.area > (spots.get(properties.code)?.area ?? -1)) spots.set(properties.code, { ...spot, name: properties.name });
  }
  return {
    type: 'FeatureCollection',
    features: [...spots.values()].map(({ point, name }) => ({
      type: 'Feature',
      geometry: { type: 'Point', coordinates: point },
      properties: { name },
    })),
  };
}

const source = (data: Outline) => ({ type: 'geojson' as const, data: data as unknown as GeoJSON.GeoJSON });

function addGround(map: maplibregl.Map, outline: Outline, shade: Shade): void {
  const colours = palettes[shade];
  const districts = present(only(outline, 'district'), cityTime(platformNow()).format('YYYY-MM-DD'));
  map.addSource('districts', { ...source(districts), promoteId: 'code' });
  map.addSource('district-names', source(labels(districts)));
  map.addSource('rivers', source(only(outline, 'river')));
  map.addLayer({ id: 'land', type: 'fill', source: 'districts', paint: { 'fill-color': colours.land } });
  map.addLayer({
    id: 'district-level',
    type: 'fill',
    source: 'districts',
    paint: { 'fill-color': ['coalesce', ['feature-state', 'colour'], 'rgba(0,0,0,0)'], 'fill-opacity': 0.16 },
  });
  map.addLayer({
    id: 'rivers',
    type: 'line',
    source: 'rivers',
    layout: { 'line-cap': 'round', 'line-join': 'round' },
    paint: { 'line-color': colours.river, 'line-width': ['interpolate', ['linear'], ['zoom'], 6, 1, 11, 4] },
  });
  map.addLayer({ id: 'borders', type: 'line', source: 'districts', paint: { 'line-color': colours.border, 'line-width': 1 } });
  map.addLayer({
    id: 'district-names',
    type: 'symbol',
    source: 'district-names',
    layout: {
      'text-field': ['get', 'name'],
      'text-font': fonts,
      'text-size': ['interpolate', ['linear'], ['zoom'], 6, 11, 10, 14],
      'text-padding': 4,
    },
    paint: { 'text-color': colours.label, 'text-halo-color': colours.halo, 'text-halo-width': 1.2 },
  });
}

function recolour(map: maplibregl.Map, shade: Shade): void {
  const colours = palettes[shade];
  map.setPaintProperty('ground', 'background-color', colours.ground);
  map.setPaintProperty('land', 'fill-color', colours.land);
  map.setPaintProperty('rivers', 'line-color', colours.river);
  map.setPaintProperty('borders', 'line-color', colours.border);
  map.setPaintProperty('district-names', 'text-color', colours.label);
  map.setPaintProperty('district-names', 'text-halo-color', colours.halo);
  addShapes(map, shade);
}

interface Options {
  center?: [number, number];
  zoom?: number;
  plain?: boolean;
}

/** A map of the city's districts, drawn from the platform alone. `map` is null until the ground is laid. */
export function useMap({ center, zoom, plain = false }: Options = {}): {
  container: RefObject<HTMLDivElement | null>;
  map: maplibregl.Map | null;
} {
  const { t } = useTexts();
  const { shade } = useShade();
  const container = useRef<HTMLDivElement>(null);
  const outline = useGet<Outline>('/divisions/outline', {}, { staleTime: Infinity });
  const [map, setMap] = useState<maplibregl.Map | null>(null);
  const first = useRef({ center, zoom, shade, plain, note: t('map.review') });

  useEffect(() => {
    if (!container.current || !outline.data) return;
    const { center: at, zoom: depth, shade: started, plain: bare, note } = first.current;
    window.__mapIdle = false;
    const created = new maplibregl.Map({
      container: container.current,
      style: {
        version: 8,
        // No glyphs on purpose: labels then come from the system's own fonts.
        sources: {},
        layers: [{ id: 'ground', type: 'background', paint: { 'background-color': palettes[started].ground } }],
      },
      ...(at ? { center: at, zoom: depth ?? 11 } : { bounds: cityBounds, fitBoundsOptions: { padding: bare || container.current.clientWidth < 600 ? 16 : roomy } }),
      minZoom: 5,
      maxZoom: 17,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
    });
    created.touchZoomRotate.disableRotation();
    created.addControl(new maplibregl.AttributionControl({ compact: false, customAttribution: note }), 'bottom-right');
    if (!bare) created.addControl(new maplibregl.NavigationControl({ showCompass: false }), 'top-right');
    const ground = outline.data;
    created.on('load', () => {
      addGround(created, ground, started);
      addShapes(created, started);
      setMap(created);
    });
    created.on('idle', () => {
      window.__mapIdle = true;
    });
    return () => {
      setMap(null);
      created.remove();
    };
  }, [outline.data]);

  useEffect(() => {
    if (map) recolour(map, shade);
  }, [map, shade]);

  return { container, map };
}
