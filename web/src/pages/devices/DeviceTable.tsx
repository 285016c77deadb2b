import { Button, Select, Table, type TableColumnsType } from 'antd';
import { useGet } from '../../api/hooks';
import type { Device, DevicePart } from '../../api/types';
import { useTexts } from '../../i18n';
import { drawable } from '../../lib/place';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { SearchBox } from '../../ui/SearchBox';
import { useClassName, useDeviceClasses, useMetricName } from '../../ui/names';
import { DivisionSelect } from '../../ui/selects';
import { Failed, Nothing } from '../../ui/states';
import { DeviceStatus } from './DeviceStatus';

const lives = ['planned', 'in_service', 'maintenance', 'retired'] as const;

export function DeviceTable() {
  const { t, word } = useTexts();
  const view = useView();
  const page = view.number('page', 1);
  const size = view.number('size', 20);
  const after = view.get('after');
  const filter = { q: view.get('q'), class_code: view.get('class_code'), status: view.get('status'), division: view.get('division'), life: view.get('life') };
  const answer = useGet<DevicePart>('/devices', { ...filter, page, size, after }, { keep: true });
  const part = answer.data;
  const classes = useDeviceClasses();
  const className = useClassName();
  const change = (patch: Record<string, string | undefined>) => view.set({ ...patch, page: null, after: null });
  const columns: TableColumnsType<Device> = [
    {
      title: t('field.device'),
      key: 'name',
      ellipsis: true,
      render: (_, device) => (
        <div className="cell-two">
          <button type="button" className="as-link">{device.name}</button>
          <small className="num">{device.id}</small>
        </div>
      ),
    },
    { title: t('field.status'), key: 'status', width: 110, render: (_, device) => <DeviceStatus status={device.status} /> },
    { title: t('field.class'), key: 'class', width: 130, ellipsis: true, render: (_, device) => className(device.class_code, device.class_name) },
    { title: t('field.division'), key: 'division', width: 110, ellipsis: true, render: (_, device) => device.division_name ?? '—' },
    { title: t('field.unit'), key: 'unit', width: 170, ellipsis: true, render: (_, device) => device.unit_name ?? '—' },
    { title: t('field.protocol'), key: 'protocol', width: 90, render: (_, device) => <code>{device.protocol}</code> },
    { title: t('device.faults'), key: 'faults', width: 150, render: (_, device) => <Faults device={device} /> },
    { title: t('field.place'), key: 'place', width: 96, render: (_, device) => (device.place_ok && drawable(device.lon, device.lat) ? <span className="muted">{t('place.ok')}</span> : <span className="bad-place">{t('place.bad')}</span>) },
    { title: t('device.last_seen'), key: 'seen', width: 112, render: (_, device) => <span className="num">{showTime(device.last_seen)}</span> },
  ];
  return (
    <>
      <div className="filters">
        <SearchBox value={filter.q} onSearch={(q) => change({ q })} placeholder={t('devices.search')} />
        <Select
          allowClear
          value={filter.status || undefined}
          onChange={(status?: string) => change({ status })}
          placeholder={t('field.status')}
          aria-label={t('field.status')}
          popupMatchSelectWidth={false}
          options={['online', 'offline', 'faulty'].map((status) => ({ value: status, label: word('status', status) }))}
        />
        <Select
          allowClear
          value={filter.class_code || undefined}
          onChange={(code?: string) => change({ class_code: code })}
          placeholder={t('field.class')}
          aria-label={t('field.class')}
          popupMatchSelectWidth={false}
          options={classes.map(({ code }) => ({ value: code, label: className(code) }))}
        />
        <Select
          allowClear
          value={filter.life || undefined}
          onChange={(life?: string) => change({ life })}
          placeholder={t('life.field')}
          aria-label={t('life.field')}
          popupMatchSelectWidth={false}
          options={lives.map((life) => ({ value: life, label: t(`life.${life}`) }))}
        />
        <DivisionSelect value={filter.division || (undefined as never)} onChange={(division) => change({ division })} />
      </div>
      {answer.error && !answer.data ? (
        <Failed error={answer.error} retry={() => void answer.refetch()} />
      ) : (
        <Table<Device>
          rowKey="id"
          size="middle"
          columns={columns}
          dataSource={answer.data?.items ?? []}
          loading={answer.isPending || answer.isPlaceholderData}
          locale={{ emptyText: answer.isPending ? ' ' : <Nothing text={t('devices.none')} /> }}
          scroll={{ x: 1100 }}
          rowClassName="clickable"
          onRow={(device) => ({ onClick: () => view.set({ device: device.id }), 'data-testid': 'device-row' }) as object}
          footer={() =>
            part?.more && (
              <div className="row-actions">
                {t('devices.more', { total: part.total })}
                {after && <Button size="small" onClick={() => view.set({ after: null, page: null })}>{t('devices.first')}</Button>}
                {part.after && <Button size="small" data-testid="devices-next" onClick={() => view.set({ after: part.after, page: null })}>{t('devices.next')}</Button>}
              </div>
            )
          }
          pagination={after ? false : {
            current: page,
            pageSize: size,
            total: answer.data?.total ?? 0,
            showSizeChanger: true,
            pageSizeOptions: [20, 50, 100],
            showTotal: (total) => t('paging.total', { total }),
            onChange: (next, nextSize) => view.set({ page: next, size: nextSize }),
          }}
        />
      )}
    </>
  );
}

function Faults({ device }: { device: Device }) {
  const { word } = useTexts();
  const metricName = useMetricName();
  if (device.faults.length === 0) return <span className="muted">—</span>;
  return (
    <span className="fault">
      {device.faults.slice(0, 2).map(({ metric, kind }) => `${metricName(metric, device.class_code)}${word('fault', kind)}`).join('、')}
    </span>
  );
}
