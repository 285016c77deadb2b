import { Button, Descriptions, Popconfirm, Segmented, Spin, Tag } from 'antd';
import { useMemo } from 'react';
import { useParams } from 'react-router';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { DeviceFinding, DeviceHealth, DeviceWhole, LatestValue } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { figure } from '../../lib/figures';
import { showFullTime, showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page, Panel } from '../../ui/Page';
import { ReadingsChart } from '../../ui/ReadingsChart';
import { useClassName, useMetricName } from '../../ui/names';
import { Answered, Failed, Nothing } from '../../ui/states';
import { useDo } from '../../ui/useDo';
import { AskCommand, Commands } from './Commands';
import { Credentials } from './Credentials';
import { DeviceFrames } from './DeviceFrames';
import { DeviceSettings } from './DeviceSettings';
import { DeviceStatus } from './DeviceStatus';
import { Upkeep } from './Upkeep';

const hours = [1, 6, 24, 168, 720] as const;

/** One device, whole: what it is, how it does, what it says, and what people did to it. */
export default function DevicePage() {
  const { id = '' } = useParams();
  const { t } = useTexts();
  const { has } = useSession();
  const path = `/devices/${encodeURIComponent(id)}`;
  const answer = useGet<DeviceWhole>(path, {}, { refetchInterval: 10_000 });
  const device = answer.data;
  if (answer.error && !device) return <Failed error={answer.error} retry={() => void answer.refetch()} />;
  if (!device) return <Spin className="page-wait" size="large" />;
  const writes = has('steward', 'operator');
  return (
    <Page
      title={
        <>
          {device.name} <DeviceStatus status={device.status} /> <Tag data-testid="device-life">{t(`life.${device.life}`)}</Tag>
        </>
      }
      extra={writes && <Lives device={device} path={path} />}
    >
      <Panel>
        <Facts device={device} />
      </Panel>
      <Panel title={t('device.chart')}>
        <Readings device={device} path={path} />
      </Panel>
      <Panel title={t('device.health')}>
        <Health device={device} path={path} />
      </Panel>
      {has('steward', 'operator', 'auditor') && (
        <Panel title={t('device.findings')}>
          <Findings path={path} />
        </Panel>
      )}
      <Panel title={t('upkeep.title')}>
        <Upkeep path={path} writes={writes} />
      </Panel>
      <Panel title={t('device.settings')}>
        <DeviceSettings key={JSON.stringify([device.settings, device.points])} device={device} path={path} writes={writes} />
      </Panel>
      {has('duty_officer', 'steward', 'operator', 'auditor') && (
        <Panel title={t('devices.commands')} extra={has('duty_officer', 'steward', 'operator') && <AskCommand device={device.id} />}>
          <Commands device={device.id} />
        </Panel>
      )}
      {writes && (
        <Panel title={t('device.credentials')}>
          <Credentials path={path} />
        </Panel>
      )}
      {has('steward', 'operator', 'auditor') && (
        <Panel title={t('device.frames')}>
          <DeviceFrames device={device} />
        </Panel>
      )}
    </Page>
  );
}

function Lives({ device, path }: { device: DeviceWhole; path: string }) {
  const { t } = useTexts();
  const run = useDo('/devices');
  return (
    <>
      {device.next_lives.map((life) => (
        <Popconfirm key={life} title={life === 'retired' ? t('life.retire.sure') : t('life.sure', { life: t(`life.${life}`) })} onConfirm={() => void run(() => api.post(`${path}/life`, { life }))}>
          <Button danger={life === 'retired'} data-testid={`life-${life}`}>
            {t('life.move', { life: t(`life.${life}`) })}
          </Button>
        </Popconfirm>
      ))}
    </>
  );
}

function Facts({ device }: { device: DeviceWhole }) {
  const { t, word } = useTexts();
  const className = useClassName();
  const metricName = useMetricName();
  const faults = device.faults.map(({ metric, kind, since }) => `${metricName(metric, device.class_code)}${word('fault', kind)} · ${t('device.since', { time: showTime(since) })}`);
  const items = [
    { key: 'id', label: t('device.id'), children: <code>{device.id}</code> },
    { key: 'class', label: t('field.class'), children: className(device.class_code, device.class_name) },
    { key: 'division', label: t('field.division'), children: device.division_name },
    { key: 'unit', label: t('field.unit'), children: device.unit_name ?? '—' },
    { key: 'owner', label: t('device.owner'), children: device.owner || '—' },
    { key: 'protocol', label: t('field.protocol'), children: <code>{device.protocol}</code> },
    { key: 'address', label: t('device.address'), children: device.address ? <code>{device.address}</code> : '—' },
    { key: 'interval', label: t('device.interval'), children: t('device.seconds', { seconds: device.interval_seconds }) },
    { key: 'vendor', label: t('device.vendor'), children: [device.vendor, device.model].filter(Boolean).join(' ') || '—' },
    { key: 'serial', label: t('device.serial'), children: device.serial || '—' },
    { key: 'due', label: t('device.upkeep_due'), children: <span className="num">{device.upkeep_due ?? '—'}</span> },
    { key: 'seen', label: t('device.last_seen'), children: <span className="num">{showFullTime(device.last_seen)}</span> },
    { key: 'faults', label: t('device.faults'), children: faults.length ? <span className="fault">{faults.join('、')}</span> : '—' },
  ];
  return <Descriptions size="small" column={{ xs: 1, md: 2, xl: 4 }} items={items} />;
}

function Readings({ device, path }: { device: DeviceWhole; path: string }) {
  const { t, lang } = useTexts();
  const view = useView();
  const latest = useGet<LatestValue[]>(`${path}/latest`, {}, { refetchInterval: 5000 });
  const values = latest.data ?? [];
  const metric = view.get('metric') || values[0]?.metric || '';
  const back = hours.find((each) => String(each) === view.get('hours')) ?? 24;
  const from = useMemo(() => new Date(platformNow() - back * 3_600_000).toISOString(), [back, device.id]);
  return (
    <Answered answer={latest} empty={() => values.length === 0} emptyText="device.silent" rows={2}>
      {() => (
        <>
          <div className="latest">
            {values.map((each) => (
              <button key={each.metric} type="button" className={each.metric === metric ? 'latest-value chosen' : 'latest-value'} aria-pressed={each.metric === metric} onClick={() => view.set({ metric: each.metric })}>
                <span>{lang === 'zh' ? each.name : each.name_en}</span>
                <b className="num">{figure(each.value)}</b> <em>{each.unit}</em>
                <small>{showFullTime(each.time).slice(5)}</small>
              </button>
            ))}
          </div>
          <Segmented size="small" value={back} onChange={(value) => view.set({ hours: value })} options={hours.map((value) => ({ value, label: t('chart.hours', { hours: value }) }))} />
          <ReadingsChart device={device.id} metric={metric} from={from} live height={260} />
        </>
      )}
    </Answered>
  );
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

function Health({ path }: { device: DeviceWhole; path: string }) {
  const { t, word } = useTexts();
  const answer = useGet<DeviceHealth>(`${path}/health`, {}, { refetchInterval: 60_000 });
  return (
    <Answered answer={answer} rows={2}>
      {(health) => {
        const all = Object.values(health.quality).reduce((sum, count) => sum + count, 0);
        const shares = Object.entries(health.quality).sort((one, other) => other[1] - one[1]);
        return (
          <div data-testid="device-health">
            <Descriptions
              size="small"
              column={{ xs: 1, md: 3 }}
              items={[
                { key: 'day', label: t('device.online_day'), children: <span className="num">{percent(health.online_day)}</span> },
                { key: 'week', label: t('device.online_week'), children: <span className="num">{percent(health.online_week)}</span> },
                { key: 'clock', label: t('device.clock_offset'), children: <span className="num">{health.clock_offset === null ? '—' : t('device.clock_seconds', { seconds: health.clock_offset.toFixed(1) })}</span> },
              ]}
            />
            <p>
              {t('device.quality_day')}：{all === 0 && '—'}
              {shares.map(([quality, count]) => (
                <Tag key={quality} color={quality === 'good' ? 'green' : 'orange'}>
                  {word('quality', quality)} <span className="num">{percent(count / all)}</span>
                </Tag>
              ))}
            </p>
          </div>
        );
      }}
    </Answered>
  );
}

function Findings({ path }: { path: string }) {
  const { t, lang } = useTexts();
  const answer = useGet<DeviceFinding[]>(`${path}/findings`, {}, { refetchInterval: 30_000 });
  return (
    <Answered answer={answer} rows={2}>
      {(found) =>
        found.length === 0 ? (
          <Nothing text={t('device.findings.none')} />
        ) : (
          <ul className="device-faults" data-testid="device-findings">
            {found.map((each) => (
              <li key={each.reason}>
                <b className="num">{t('device.times', { count: each.count })}</b> {lang === 'zh' ? each.reason_text : each.reason_text_en} · <span className="num">{showTime(each.last_at)}</span>
              </li>
            ))}
          </ul>
        )
      }
    </Answered>
  );
}
