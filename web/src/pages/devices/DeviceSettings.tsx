import { Button, Input, Table, Tag } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import type { DeviceWhole } from '../../api/types';
import { useTexts } from '../../i18n';
import { useMetricName } from '../../ui/names';
import { useDo } from '../../ui/useDo';

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** What the protocol needs to know of the device, and what its points stand for. */
export function DeviceSettings({ device, path, writes }: { device: DeviceWhole; path: string; writes: boolean }) {
  const { t } = useTexts();
  const metricName = useMetricName();
  const run = useDo('/devices');
  const [text, setText] = useState(JSON.stringify(device.settings ?? {}, null, 2));
  const settings = objectOf(text);
  const rows = [
    ...Object.entries(device.points).map(([name, point]) => ({ name, ...point, own: true })),
    ...Object.entries(device.class_points)
      .filter(([name]) => !(name in device.points))
      .map(([name, point]) => ({ name, ...point, own: false })),
  ];
  return (
    <>
      <Table
        rowKey="name"
        size="small"
        dataSource={rows}
        pagination={rows.length > 10 ? { pageSize: 10, showSizeChanger: false } : false}
        locale={{ emptyText: t('device.points.none') }}
        columns={[
          { title: t('device.point'), key: 'name', render: (_, row) => <code>{row.name}</code> },
          { title: t('device.point.metric'), key: 'metric', render: (_, row) => `${metricName(row.metric, device.class_code)} (${row.metric})` },
          { title: t('device.point.factor'), key: 'factor', width: 90, render: (_, row) => <span className="num">{row.factor}</span> },
          { title: t('device.point.offset'), key: 'offset', width: 90, render: (_, row) => <span className="num">{row.offset}</span> },
          { title: '', key: 'own', width: 110, render: (_, row) => <Tag>{t(row.own ? 'device.point.own' : 'device.point.class')}</Tag> },
        ]}
      />
      {writes && device.settings !== null ? (
        <>
          <h3>{t('device.settings.json')}</h3>
          <Input.TextArea rows={5} value={text} status={settings ? '' : 'error'} aria-label={t('device.settings.json')} onChange={(event) => setText(event.target.value)} className="num" />
          {!settings && <p className="tone-over">{t('device.settings.wrong')}</p>}
          <Button disabled={!settings} onClick={() => void run(() => api.patch(path, { settings }))}>
            {t('save')}
          </Button>
        </>
      ) : (
        <p className="muted">{t('device.settings.hidden')}</p>
      )}
    </>
  );
}
