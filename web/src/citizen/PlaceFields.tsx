import { lazy, Suspense, useEffect, useState } from 'react';
import type { Draft } from './draft';
import { districtsOf, readOutlines, type District } from './outlines';
import { useTexts } from './texts';

const PlaceMap = lazy(() => import('./PlaceMap'));

type Place = Pick<Draft, 'lon' | 'lat' | 'division_code' | 'address'>;

/** Where it is: by the phone's position if its owner agrees, by a tap on the map, or by district and words. */
export function PlaceFields({ value, onChange, invalid }: { value: Place; onChange: (part: Partial<Place>) => void; invalid: boolean }) {
  const { t } = useTexts();
  const [seeking, setSeeking] = useState(false);
  const [refused, setRefused] = useState(false);
  const [picking, setPicking] = useState(false);
  const [districts, setDistricts] = useState<District[]>([]);
  useEffect(() => {
    void readOutlines().then((outlines) => setDistricts(districtsOf(outlines)), () => undefined);
  }, []);

  const locate = () => {
    setSeeking(true);
    setRefused(false);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        setSeeking(false);
        onChange({ lon: Number(coords.longitude.toFixed(6)), lat: Number(coords.latitude.toFixed(6)) });
      },
      () => {
        setSeeking(false);
        setRefused(true);
      },
      { enableHighAccuracy: true, timeout: 10_000 },
    );
  };

  const here = value.lon !== null && value.lat !== null;
  return (
    <>
      {here ? (
        <p className="row" data-testid="place-got">
          {t('place.got', { lon: value.lon?.toFixed(5) ?? '', lat: value.lat?.toFixed(5) ?? '' })}
          <button type="button" onClick={() => onChange({ lon: null, lat: null })}>
            {t('place.remove')}
          </button>
        </p>
      ) : null}
      <div className="pair">
        {'geolocation' in navigator && (
          <button type="button" onClick={locate} disabled={seeking} aria-invalid={invalid} data-testid="locate">
            {t(seeking ? 'place.locating' : 'place.locate')}
          </button>
        )}
        <button type="button" aria-pressed={picking} onClick={() => setPicking(!picking)} data-testid="pick">
          {t('place.map')}
        </button>
      </div>
      <small className="muted">{t('place.consent')}</small>
      {refused && <p role="alert">{t('place.refused')}</p>}
      {picking && (
        <Suspense fallback={<div className="map" />}>
          <PlaceMap lon={value.lon} lat={value.lat} onPick={(lon, lat) => onChange({ lon, lat })} />
        </Suspense>
      )}
      {!here && (
        <label>
          {t('place.division')}
          <select value={value.division_code} aria-invalid={invalid} onChange={(event) => onChange({ division_code: event.target.value })} data-testid="division">
            <option value="">{t('place.division.none')}</option>
            {districts.map(({ code, name }) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        {t('place.address')}
        <input value={value.address} maxLength={200} autoComplete="off" onChange={(event) => onChange({ address: event.target.value })} data-testid="address" />
      </label>
    </>
  );
}
