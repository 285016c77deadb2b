import { useEffect, useRef, useState } from 'react';
import { useGet } from '../../api/hooks';
import type { DeviceMap as Shown } from '../../api/types';
import { useTexts } from '../../i18n';
import { drawable } from '../../lib/place';
import { fonts, maplibregl } from '../../map/setup';
import { useMap } from '../../map/useMap';

const statusColour: Record<string, string> = { online: '#2bb3ab', offline: '#8a94a3', faulty: '#f0821e' };
const colourOf = (status: string) => statusColour[status] ?? '#2bb3ab';

function features(data: Shown): GeoJSON.FeatureCollection {
  const clusters = data.clusters.flatMap(({ lon, lat, count, worst }) =>
    drawable(lon, lat) ? [{ lon, lat, properties: { count, id: '', name: '', colour: colourOf(worst) } }] : [],
  );
  const devices = data.devices.flatMap(({ id, name, lon, lat, status }) =>
    drawable(lon, lat) && lat !== null ? [{ lon, lat, properties: { count: 1, id, name, colour: colourOf(status) } }] : [],
  );
  return {
    type: 'FeatureCollection',
    features: [...clusters, ...devices].map(({ lon, lat, properties }) => ({
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
    map.addSource('devices', { type: 'geojson', data: { type: 'FeatureCollection', features: [] } });
    map.addLayer({
      id: 'devices',
      type: 'circle',
      source: 'devices',
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['get', 'count'], 1, 6, 2, 11, 100, 20, 2000, 30],
        'circle-color': ['get', 'colour'],
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
      const { id } = hit.properties as { id: string };
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
              <i className="dot" style={{ background: statusColour[status] }} /> {t(`status.${status}`)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
