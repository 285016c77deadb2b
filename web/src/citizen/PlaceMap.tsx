import { useEffect, useMemo, useRef, useState, type PointerEvent } from 'react';
import { readOutlines, type Outline } from './outlines';
import { useTexts } from './texts';

interface Props {
  lon: number | null;
  lat: number | null;
  onPick: (lon: number, lat: number) => void;
}

const CENTRE = { lon: 106.55, lat: 29.56 };
/** Degrees of longitude across the map at zoom 0. */
const WIDEST = 5.4;
const MOST_ZOOM = 9;
/** A degree of latitude is so much longer on the map than one of longitude, at the city's latitude. */
const STRETCH = 1 / Math.cos((30 * Math.PI) / 180);
const SLACK = 8;

/** Where the name of an outline stands, and how wide it may be. */
const roomOf = ({ rings }: Outline): { x: number; y: number; room: number } => {
  const ring = rings.reduce((best, each) => (each.length > best.length ? each : best));
  const lons = ring.map(([lon]) => lon);
  const lats = ring.map(([, lat]) => lat);
  const [west, east, south, north] = [Math.min(...lons), Math.max(...lons), Math.min(...lats), Math.max(...lats)];
  return { x: (west + east) / 2, y: (-(south + north) / 2) * STRETCH, room: east - west };
};

/** A small map of districts and rivers, drawn on the phone itself: no tiles, no network. */
export default function PlaceMap({ lon, lat, onPick }: Props) {
  const { t } = useTexts();
  const [outlines, setOutlines] = useState<Outline[]>([]);
  const [view, setView] = useState({ ...CENTRE, ...(lon !== null && lat !== null ? { lon, lat } : {}), zoom: lon === null ? 2 : 5 });
  const svg = useRef<SVGSVGElement>(null);
  const start = useRef<{ x: number; y: number; lon: number; lat: number } | null>(null);
  useEffect(() => {
    void readOutlines().then(setOutlines, () => undefined);
  }, []);

  const width = WIDEST / 2 ** view.zoom;
  const shapes = useMemo(
    () =>
      outlines.map((outline) => ({
        ...outline,
        ...roomOf(outline),
        path: outline.rings.map((ring) => `M${ring.map(([x, y]) => `${x} ${(-y * STRETCH).toFixed(5)}`).join('L')}`).join('') + (outline.river ? '' : 'Z'),
      })),
    [outlines],
  );
  const perPixel = () => width / (svg.current?.clientWidth ?? 360);

  const down = (event: PointerEvent) => {
    svg.current?.setPointerCapture(event.pointerId);
    start.current = { x: event.clientX, y: event.clientY, lon: view.lon, lat: view.lat };
  };
  const move = ({ clientX, clientY }: PointerEvent) => {
    const from = start.current;
    if (!from || Math.hypot(clientX - from.x, clientY - from.y) < SLACK) return;
    setView((before) => ({ ...before, lon: from.lon - (clientX - from.x) * perPixel(), lat: from.lat + ((clientY - from.y) * perPixel()) / STRETCH }));
  };
  const up = ({ clientX, clientY }: PointerEvent) => {
    const from = start.current;
    start.current = null;
    const box = svg.current?.getBoundingClientRect();
    if (!from || !box || Math.hypot(clientX - from.x, clientY - from.y) >= SLACK) return;
    const x = view.lon + (clientX - box.left - box.width / 2) * perPixel();
    const y = view.lat - ((clientY - box.top - box.height / 2) * perPixel()) / STRETCH;
    onPick(Number(x.toFixed(6)), Number(y.toFixed(6)));
  };
  const zoom = (by: number) => setView((before) => ({ ...before, zoom: Math.min(MOST_ZOOM, Math.max(0, before.zoom + by)) }));

  const top = -view.lat * STRETCH;
  return (
    <div className="map">
      <svg ref={svg} viewBox={`${view.lon - width / 2} ${top - width / 2} ${width} ${width}`} preserveAspectRatio="xMidYMid slice" role="application" aria-label={t('place.map.label')} onPointerDown={down} onPointerMove={move} onPointerUp={up} data-testid="map">
        {shapes.map(({ path, river }, index) => (
          <path key={index} d={path} className={river ? 'map-river' : 'map-land'} vectorEffect="non-scaling-stroke" />
        ))}
        {shapes.filter(({ river, room, name }) => !river && room > (name.length * width) / 28).map(({ x, y, name }, index) => (
          <text key={index} x={x} y={y} fontSize={width / 28} textAnchor="middle">
            {name}
          </text>
        ))}
        {lon !== null && lat !== null && (
          <g transform={`translate(${lon} ${-lat * STRETCH}) scale(${width / 300})`} className="map-pin">
            <path d="M0 0C-7 -9 -9 -12 -9 -16a9 9 0 1 1 18 0c0 4-2 7-9 16z" />
            <circle cy="-16" r="3.4" />
          </g>
        )}
      </svg>
      <div className="map-zoom">
        <button type="button" aria-label={t('place.zoom.in')} onClick={() => zoom(1)}>
          +
        </button>
        <button type="button" aria-label={t('place.zoom.out')} onClick={() => zoom(-1)}>
          −
        </button>
      </div>
    </div>
  );
}
