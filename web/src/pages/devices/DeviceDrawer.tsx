import { Descriptions, Drawer, Segmented } from 'antd';
import { lazy, Suspense, useMemo } from 'react';
import { Link } from 'react-router';
import { useGet } from '../../api/hooks';
import type { Device, LatestValue } from '../../api/types';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { figure } from '../../lib/figures';
import { drawable } from '../../lib/place';
import { showFullTime, showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { useClassName, useMetricName } from '../../ui/names';
import { ReadingsChart } from '../../ui/ReadingsChart';
import { Answered, Nothing } from '../../ui/states';
import { DeviceStatus } from './DeviceStatus';

const PlaceMap = lazy(() => import('../../map/PlaceMap'));
const hours = [1, 6, 24, 168] as const;

/** One device: what it is, what it says now, how that went, and what is wrong with it. */
export function DeviceDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTexts();
  const path = id ? `/devices/${encodeURIComponent(id)}` : null;
  const answer = useGet<Device>(path);
  return (
    <Drawer open={id !== ''} onClose={onClose} size={640} title={answer.data?.name ?? t('field.device')} extra={
        answer.data && (
          <>
            <DeviceStatus status={answer.data.status} /> <Link to={`/devices/${encodeURIComponent(id)}`}>{t('devices.open')}</Link>
          </>
        )
      }>
      <Answered answer={answer} rows={8}>
        {(device) => <DeviceBody device={device} />}
      </Answered>
    </Drawer>
  );
}

function DeviceBody({ device }: { device: Device }) {
  const { t, word, lang } = useTexts();
  const metricName = useMetricName();
  const className = useClassName();
  const view = useView();
  const latest = useGet<LatestValue[]>(`/devices/${encodeURIComponent(device.id)}/latest`, {}, { refetchInterval: 5000 });
  const values = latest.data ?? [];
  const metric = view.get('metric') || values[0]?.metric || '';
  const back = hours.find((each) => String(each) === view.get('hours')) ?? 6;
  const from = useMemo(() => new Date(platformNow() - back * 3_600_000).toISOString(), [back, device.id]);
  return (
    <div className="device">
      {device.faults.length > 0 && (
        <ul className="device-faults">
          {device.faults.map(({ metric: which, kind, since }) => (
            <li key={`${which}-${kind}`}>
              <b>{word('fault', kind)}</b> {metricName(which, device.class_code)} · {t('device.since', { time: showTime(since) })}
            </li>
          ))}
        </ul>
      )}
      <Answered answer={latest} empty={() => values.length === 0} emptyText="device.silent" rows={2}>
        {() => (
          <div className="latest">
            {values.map((each) => (
              <button key={each.metric} type="button" className={each.metric === metric ? 'latest-value chosen' : 'latest-value'} aria-pressed={each.metric === metric} onClick={() => view.set({ metric: each.metric })}>
                <span>{lang === 'zh' ? each.name : each.name_en}</span>
                <b className="num">{figure(each.value)}</b> <em>{each.unit}</em>
                <small>
                  {showFullTime(each.time).slice(5)} {each.quality !== 'good' && <i>{word('quality', each.quality)}</i>}
                </small>
              </button>
            ))}
          </div>
        )}
      </Answered>
      {metric && (
        <>
          <div className="device-range">
            <h3>{t('chart.readings', { metric: metricName(metric, device.class_code) })}</h3>
            <Segmented size="small" value={back} onChange={(value) => view.set({ hours: value })} options={hours.map((value) => ({ value, label: t('chart.hours', { hours: value }) }))} />
          </div>
          <ReadingsChart device={device.id} metric={metric} from={from} live height={220} />
        </>
      )}
      <Descriptions
        size="small"
        column={2}
        items={[
          { key: 'id', label: t('device.id'), children: <code>{device.id}</code> },
          { key: 'class', label: t('field.class'), children: className(device.class_code, device.class_name) },
          { key: 'unit', label: t('field.unit'), children: device.unit_name ?? '—' },
          { key: 'division', label: t('field.division'), children: device.division_name ?? '—' },
          { key: 'protocol', label: t('field.protocol'), children: device.protocol },
          { key: 'interval', label: t('device.interval'), children: t('device.seconds', { seconds: device.interval_seconds }) },
          { key: 'seen', label: t('device.last_seen'), children: showFullTime(device.last_seen) },
        ]}
      />
      {drawable(device.lon, device.lat) ? (
        <Suspense fallback={null}>
          <PlaceMap lon={device.lon} lat={device.lat} />
        </Suspense>
      ) : (
        <Nothing text={t('place.bad.hint')} />
      )}
    </div>
  );
}
