import { AimOutlined, EnvironmentOutlined } from '@ant-design/icons';
import { App, Button, InputNumber, Spin } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useTexts } from '../i18n';

const PlaceMap = lazy(() => import('../map/PlaceMap'));

export interface PlaceValue {
  lon: number | null;
  lat: number | null;
}

interface Props {
  value?: PlaceValue;
  onChange?: (value: PlaceValue) => void;
  pickable?: boolean;
}

/** A place by the phone's own positioning, by hand, or by a click on the map. Always WGS84. */
export function PlaceField({ value = { lon: null, lat: null }, onChange, pickable = true }: Props) {
  const { t } = useTexts();
  const { message } = App.useApp();
  const [seeking, setSeeking] = useState(false);
  const [picking, setPicking] = useState(false);

  const locate = () => {
    if (!('geolocation' in navigator)) {
      void message.warning(t('place.unsupported'));
      return;
    }
    setSeeking(true);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        setSeeking(false);
        onChange?.({ lon: Number(coords.longitude.toFixed(6)), lat: Number(coords.latitude.toFixed(6)) });
      },
      () => {
        setSeeking(false);
        void message.warning(t('place.refused'));
      },
      { enableHighAccuracy: true, timeout: 10_000 },
    );
  };

  return (
    <div className="place-field">
      <div className="place-row">
        <InputNumber aria-label={t('place.lon')} placeholder={t('place.lon')} min={-180} max={180} step={0.0001} controls={false} value={value.lon} onChange={(lon) => onChange?.({ ...value, lon })} data-testid="lon-input" />
        <InputNumber aria-label={t('place.lat')} placeholder={t('place.lat')} min={-90} max={90} step={0.0001} controls={false} value={value.lat} onChange={(lat) => onChange?.({ ...value, lat })} data-testid="lat-input" />
        <Button icon={<AimOutlined />} loading={seeking} onClick={locate} data-testid="locate">
          {t('place.locate')}
        </Button>
        {pickable && (
          <Button icon={<EnvironmentOutlined />} aria-pressed={picking} onClick={() => setPicking(!picking)}>
            {t('place.pick')}
          </Button>
        )}
      </div>
      {picking && (
        <Suspense fallback={<Spin />}>
          <PlaceMap lon={value.lon} lat={value.lat} onPick={(lon, lat) => onChange?.({ lon, lat })} />
        </Suspense>
      )}
    </div>
  );
}
