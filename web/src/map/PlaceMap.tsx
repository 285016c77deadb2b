import { useEffect, useRef } from 'react';
import type { Level } from '../api/types';
import { levelColour } from '../ui/level';
import { maplibregl } from './setup';
import { useMap } from './useMap';

interface Props {
  lon: number | null;
  lat: number | null;
  level?: Level;
  /** Given, the map becomes a picker: a click sets the place. */
  onPick?: (lon: number, lat: number) => void;
}

/** One place on the map of districts. */
export default function PlaceMap({ lon, lat, level = 4, onPick }: Props) {
  const here = lon !== null && lat !== null;
  const { container, map } = useMap(here ? { center: [lon, lat], zoom: 10.5, plain: true } : { plain: true });
  const pick = useRef(onPick);
  pick.current = onPick;

  useEffect(() => {
    if (!map || lon === null || lat === null) return;
    const marker = new maplibregl.Marker({ color: levelColour[level], scale: 0.8 }).setLngLat([lon, lat]).addTo(map);
    if (!map.getBounds().contains([lon, lat])) map.jumpTo({ center: [lon, lat] });
    return () => {
      marker.remove();
    };
  }, [map, lon, lat, level]);

  useEffect(() => {
    if (!map) return;
    const click = (event: maplibregl.MapMouseEvent) =>
      pick.current?.(Number(event.lngLat.lng.toFixed(6)), Number(event.lngLat.lat.toFixed(6)));
    map.on('click', click);
    if (pick.current) map.getCanvas().style.cursor = 'crosshair';
    return () => {
      map.off('click', click);
    };
  }, [map]);

  return <div ref={container} className="place-map" />;
}
