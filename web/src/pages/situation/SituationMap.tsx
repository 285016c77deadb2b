import { AimOutlined, BorderOuterOutlined } from '@ant-design/icons';
import { Button, Tooltip } from 'antd';
import { useEffect, useMemo, useRef } from 'react';
import { useGet } from '../../api/hooks';
import type { Incident, Level, MapFeature, Situation, Warning } from '../../api/types';
import { useTexts } from '../../i18n';
import { drawable } from '../../lib/place';
import { useView } from '../../lib/view';
import { centreBounds, cityBounds, fonts, maplibregl, roomy } from '../../map/setup';
import { useMap } from '../../map/useMap';
import { asLevel, levelColour, LevelShape } from '../../ui/level';
import type { Selection } from './selection';

interface Props {
  districts: Situation['districts'];
  selection: Selection | null;
  picked: Warning | Incident | null;
  onSelect: (selection: Selection) => void;
}

const noPoints: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };

/** What arrives as a point may still have no place. */
type Loose = Omit<MapFeature, 'geometry'> & { geometry: MapFeature['geometry'] | null };

/** Keeps what can be drawn; the lists show the rest. */
function tidy(features: Loose[]): GeoJSON.FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: features.flatMap(({ geometry, properties }) => {
      const [lon, lat] = geometry?.coordinates ?? [];
      if (!drawable(lon, lat)) return [];
      const { id, kind, level } = properties;
      return [
        {
          type: 'Feature' as const,
          geometry: { type: 'Point' as const, coordinates: [lon, lat as number] },
          properties: { id, kind, level: asLevel(level) },
        },
      ];
    }),
  };
}

function addPoints(map: maplibregl.Map): void {
  map.addSource('points', {
    type: 'geojson',
    data: noPoints,
    cluster: true,
    clusterRadius: 38,
    clusterMaxZoom: 13,
    clusterProperties: { worst: ['min', ['get', 'level']], incidents: ['+', ['case', ['==', ['get', 'kind'], 'incident'], 1, 0]] },
  });
  map.addLayer({
    id: 'clusters',
    type: 'symbol',
    source: 'points',
    filter: ['has', 'point_count'],
    layout: {
      'icon-image': ['concat', 'incident-', ['to-string', ['get', 'worst']]],
      'icon-size': ['interpolate', ['linear'], ['get', 'point_count'], 2, 1.05, 30, 1.45, 200, 1.9],
      'icon-allow-overlap': true,
      'text-field': ['to-string', ['get', 'point_count']],
      'text-font': fonts,
      'text-size': 12,
      'text-offset': ['case', ['==', ['get', 'worst'], 2], ['literal', [0, 0.25]], ['literal', [0, 0]]],
      'text-allow-overlap': true,
      'symbol-sort-key': ['-', 5, ['get', 'worst']],
    },
    paint: { 'text-color': '#fff', 'text-halo-color': 'rgba(0,0,0,0.45)', 'text-halo-width': 1 },
  });
  map.addLayer({
    id: 'points',
    type: 'symbol',
    source: 'points',
    filter: ['!', ['has', 'point_count']],
    layout: {
      'icon-image': ['concat', ['get', 'kind'], '-', ['to-string', ['get', 'level']]],
      'icon-size': 0.68,
      'icon-allow-overlap': true,
      'symbol-sort-key': ['-', 5, ['get', 'level']],
    },
  });
}

export default function SituationMap({ districts, selection, picked, onSelect }: Props) {
  const { t } = useTexts();
  const view = useView();
  const at = view.get('at').split(',').map(Number);
  const [lon, lat, zoom] = at;
  const { container, map } = useMap(
    at.length === 3 && drawable(lon, lat) && lat !== undefined && zoom !== undefined ? { center: [lon, lat], zoom } : {},
  );
  const points = useGet<{ features: MapFeature[] }>('/situation/map', {}, { keep: true });
  const tidied = useMemo(() => tidy(points.data?.features ?? []), [points.data]);
  const select = useRef(onSelect);
  select.current = onSelect;
  const setView = useRef(view.set);
  setView.current = view.set;

  useEffect(() => {
    if (!map) return;
    addPoints(map);
    const click = async (event: maplibregl.MapMouseEvent) => {
      const hit = map.queryRenderedFeatures(event.point, { layers: ['points', 'clusters'] })[0];
      if (!hit) return;
      const { cluster_id: cluster, kind, id } = hit.properties as { cluster_id?: number; kind?: string; id?: string };
      if (cluster === undefined) {
        select.current({ kind: kind === 'warning' ? 'warning' : 'incident', id: id ?? '' });
        return;
      }
      const source = map.getSource('points') as maplibregl.GeoJSONSource;
      const zoomTo = await source.getClusterExpansionZoom(cluster);
      map.easeTo({ center: (hit.geometry as GeoJSON.Point).coordinates as [number, number], zoom: zoomTo + 0.3 });
    };
    const moved = (event: { originalEvent?: unknown }) => {
      if (!event.originalEvent) return;
      const { lng, lat: north } = map.getCenter();
      setView.current({ at: `${lng.toFixed(4)},${north.toFixed(4)},${map.getZoom().toFixed(1)}` });
    };
    const pointer = () => void (map.getCanvas().style.cursor = 'pointer');
    const arrow = () => void (map.getCanvas().style.cursor = '');
    map.on('click', click);
    map.on('moveend', moved);
    for (const layer of ['points', 'clusters']) {
      map.on('mouseenter', layer, pointer);
      map.on('mouseleave', layer, arrow);
    }
  }, [map]);

  useEffect(() => {
    void (map?.getSource('points') as maplibregl.GeoJSONSource | undefined)?.setData(tidied);
  }, [map, tidied]);

  useEffect(() => {
    if (!map) return;
    map.removeFeatureState({ source: 'districts' });
    for (const { code, worst_level: worst } of districts) {
      if (worst) map.setFeatureState({ source: 'districts', id: code }, { colour: levelColour[asLevel(worst)] });
    }
  }, [map, districts]);

  const pickedPlace = selection && picked?.id === selection.id && drawable(picked.lon, picked.lat) ? `${picked.lon},${picked.lat}` : '';
  useEffect(() => {
    if (!map || !pickedPlace) return;
    const [east = 0, north = 0] = pickedPlace.split(',').map(Number);
    const ring = document.createElement('div');
    ring.className = 'map-ring';
    const marker = new maplibregl.Marker({ element: ring }).setLngLat([east, north]).addTo(map);
    const zoomed = Math.max(map.getZoom(), 10);
    // The place keeps clear of the card that opens at the bottom.
    map.easeTo({ center: [east, north], zoom: zoomed, offset: [0, -110], duration: 500 });
    return () => {
      marker.remove();
    };
  }, [map, pickedPlace]);

  const show = (bounds: [number, number, number, number]) => {
    map?.fitBounds(bounds, { padding: roomy });
    view.set({ at: null });
  };
  return (
    <>
      <div ref={container} className="map-canvas" data-testid="situation-map" />
      <div className="map-tools">
        <Tooltip title={t('map.city')} placement="left">
          <Button icon={<BorderOuterOutlined />} aria-label={t('map.city')} onClick={() => show(cityBounds)} />
        </Tooltip>
        <Tooltip title={t('map.centre')} placement="left">
          <Button icon={<AimOutlined />} aria-label={t('map.centre')} onClick={() => show(centreBounds)} />
        </Tooltip>
      </div>
      <ul className="map-legend" aria-label={t('map.legend')}>
        <li>
          {([1, 2, 3, 4] as Level[]).map((level) => (
            <span key={level}>
              <LevelShape level={level} size={13} /> {t(`level.${level}`)}
            </span>
          ))}
        </li>
        <li>
          <span><LevelShape level={4} size={13} hollow /> {t('map.hollow')}</span>
          <span><LevelShape level={4} size={13} /> {t('map.solid')}</span>
        </li>
      </ul>
    </>
  );
}
