import { useEffect, useRef, useState } from 'react';
import { useGet } from '../../api/hooks';
import type { DeviceMap as Shown } from '../../api/types';
import { useTexts } from '../../i18n';
import { drawable } from '../../lib/place';
import { fonts, maplibregl } from '../../map/setup';
import { useMap } from '../../map/useMap';

/** Worse states outweigh better ones where several devices share a circle. */
const severity: Record<string, number> = { online: 0, offline: 1, faulty: 2 };
const colours = { online: '#2bb3ab', offline: '#8a94a3', faulty: '#f0821e' } as const;

function features(data: Shown): GeoJSON.FeatureCollection {
  const clusters = data.clusters.map(({ lon, lat, count, worst }) => ({ lon, lat, properties: { count, id: '', severity: severity[worst] ?? 0 } }));
  const devices = data.devices.map(({ id, lon, lat, status }) => ({ lon, lat, properties: { count: 1, id, severity: severity[status] ?? 0 } }));
  return {
    type: 'FeatureCollection',
    features: [...clusters, ...devices]
      .filter(({ lon, lat }) => drawable(lon, lat))
      .map(({ lon, lat, properties }) => ({
        type: 'Feature',
        geometry: { type: 'Point', coordinates: [lon, lat] },
        properties,
      })),
  };
}

/** Devices on the map; the server groups them for the part of the map in view. */
export default function DeviceMap({ onSelect }: { onSelect: (id: string) => void }) {
  const { t } = useTexts();
  const { container, map } = useMap();
  const [window_, setWindow] = useState<{ bbox: string; zoom: number } | null>(null);
  const answer = useGet<Shown>(window_ ? '/devices/map' : null, window_ ?? {}, { keep: true });
  const select = useRef(onSelect);
  select.current = onSelect;

  useEffect(() => {
    if (!map) return;
    map.addSource('devices', {
      type: 'geojson',
      data: { type: 'FeatureCollection', features: [] },
      cluster: true,
      clusterRadius: 26,
      clusterMaxZoom: 14,
      clusterProperties: { count: ['+', ['get', 'count']], severity: ['max', ['get', 'severity']] },
    });
    map.addLayer({
      id: 'devices',
      type: 'circle',
      source: 'devices',
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['get', 'count'], 1, 6, 2, 11, 100, 20, 2000, 30],
        'circle-color': ['match', ['get', 'severity'], 2, colours.faulty, 1, colours.offline, colours.online],
        'circle-opacity': 0.85,
        'circle-stroke-color': 'rgba(255,255,255,0.75)',
        'circle-stroke-width': 1.2,
      },
    });
    map.addLayer({
      id: 'device-counts',
      type: 'symbol',
      source: 'devices',
      filter: ['>', ['get', 'count'], 1],
      layout: { 'text-field': ['to-string', ['get', 'count']], 'text-font': fonts, 'text-size': 12, 'text-allow-overlap': true },
      paint: { 'text-color': '#fff', 'text-halo-color': 'rgba(0,0,0,0.4)', 'text-halo-width': 1 },
    });
    const moved = () => {
      const bounds = map.getBounds();
      const bbox = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()].map((side) => side.toFixed(4)).join(',');
      setWindow({ bbox, zoom: Math.round(map.getZoom()) });
    };
    moved();
    map.on('moveend', moved);
    map.on('click', 'devices', (event) => {
      const hit = event.features?.[0];
      if (!hit) return;
      const { id } = hit.properties as { id?: string };
      if (id) select.current(id);
      else map.easeTo({ center: (hit.geometry as GeoJSON.Point).coordinates as [number, number], zoom: map.getZoom() + 2 });
    });
    map.on('mouseenter', 'devices', () => void (map.getCanvas().style.cursor = 'pointer'));
    map.on('mouseleave', 'devices', () => void (map.getCanvas().style.cursor = ''));
  }, [map]);

  useEffect(() => {
    if (answer.data) void (map?.getSource('devices') as maplibregl.GeoJSONSource | undefined)?.setData(features(answer.data));
  }, [map, answer.data]);

  return (
    <div className="device-map">
      <div ref={container} className="map-canvas" data-testid="device-map" />
      <ul className="map-legend">
        {(['online', 'faulty', 'offline'] as const).map((status) => (
          <li key={status}>
            <span>
              <i className="dot" style={{ background: colours[status] }} /> {t(`status.${status}`)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
