import url from '../../../src/chengnao/kernel/organisation/data/outlines.geojson?url';

type Ring = [number, number][];

export interface Outline {
  code: string;
  name: string;
  river: boolean;
  rings: Ring[];
}

export interface District {
  code: string;
  name: string;
}

interface Feature {
  geometry: { type: string; coordinates: unknown };
  properties: { code?: string; name: string; kind: string; valid_to: string | null; successor_code?: string; successor_name?: string };
}

let known: Promise<Outline[]> | undefined;

function ringsOf({ type, coordinates }: Feature['geometry']): Ring[] {
  if (type === 'LineString') return [coordinates as Ring];
  return type === 'MultiPolygon' ? (coordinates as Ring[][]).flat() : (coordinates as Ring[]);
}

/** Districts and rivers; the outline of an abolished district stands for its successor. */
export function readOutlines(): Promise<Outline[]> {
  known ??= fetch(url)
    .then((response) => response.json())
    .then(({ features }: { features: Feature[] }) => {
      const today = new Date().toISOString().slice(0, 10);
      return features.map(({ geometry, properties: { kind, valid_to: end, code = '', name, successor_code: next, successor_name: nextName } }) => ({
        ...(end && end <= today && next ? { code: next, name: nextName ?? name } : { code, name }),
        river: kind === 'river',
        rings: ringsOf(geometry),
      }));
    });
  known.catch(() => (known = undefined));
  return known;
}

export function districtsOf(outlines: Outline[]): District[] {
  const byCode = new Map(outlines.filter(({ river }) => !river).map(({ code, name }) => [code, { code, name }]));
  return [...byCode.values()].sort((a, b) => a.code.localeCompare(b.code));
}
