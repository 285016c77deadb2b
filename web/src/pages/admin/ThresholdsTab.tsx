import { EditOutlined } from '@ant-design/icons';
import { App, Button, Form, InputNumber, Modal, Select, Switch, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Level, Threshold } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { LevelMark } from '../../ui/level';
import { useClassName, useMetricName } from '../../ui/names';
import { PagedTable } from '../../ui/PagedTable';

const levels: Level[] = [4, 3, 2, 1];

/** The rules by which warnings open; a change holds from the next reading on. */
export function ThresholdsTab() {
  const { t, word, errorText } = useTexts();
  const { has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [editing, setEditing] = useState<Threshold | null>(null);
  const [form] = Form.useForm<Threshold>();
  const className = useClassName();
  const metricName = useMetricName();
  const columns: TableColumnsType<Threshold> = [
    { title: t('threshold.for'), key: 'for', width: 180, render: (_, row) => row.device_id ?? className(row.device_class ?? '') },
    { title: t('field.metric'), key: 'metric', width: 170, render: (_, row) => `${metricName(row.metric, row.device_class)} ${word('direction', row.direction)}` },
    {
      title: t('threshold.levels'),
      key: 'levels',
      render: (_, row) => (
        <span className="threshold-levels">
          {levels.map((level) => {
            const value = row.levels[level];
            return value === undefined ? null : (
              <span key={level}>
                <LevelMark level={level} /> <span className="num">{value}</span>
              </span>
            );
          })}
        </span>
      ),
    },
    { title: t('threshold.duration'), key: 'duration', width: 100, render: (_, row) => t('device.seconds', { seconds: row.duration_seconds }) },
    { title: t('threshold.hysteresis'), key: 'hysteresis', width: 80, render: (_, row) => <span className="num">{row.hysteresis}</span> },
    { title: t('threshold.opens'), key: 'opens', width: 110, render: (_, row) => (row.enabled ? <LevelMark level={row.opens_incident_at} /> : <span className="muted">{t('threshold.off')}</span>) },
    { title: t('threshold.source'), key: 'source', ellipsis: true, render: (_, row) => <span className="muted" title={row.source}>{row.source}</span> },
    {
      title: '',
      key: 'edit',
      width: 56,
      render: (_, row) => has('steward') && <Button type="text" icon={<EditOutlined />} aria-label={t('threshold.edit')} onClick={() => setEditing(row)} />,
    },
  ];
  const save = async (fields: Partial<Threshold>) => {
    if (!editing) return;
    const { id, revision: _revision, division_code: _division, ...rule } = editing;
    const kept = Object.fromEntries(Object.entries(fields.levels ?? {}).filter(([, value]) => value != null));
    try {
      await api.put(`/thresholds/${id}`, { ...rule, ...fields, levels: kept });
      void message.success(t('saved'));
      setEditing(null);
      renew(['/thresholds']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const needed = (text: string) => [{ required: true, message: t('form.missing', { field: text }) }];
  return (
    <>
      <PagedTable<Threshold> path="/thresholds" rowKey="id" columns={columns} />
      <Modal open={editing !== null} title={t('threshold.edit')} okText={t('save')} okButtonProps={{ 'data-testid': 'confirm' }} onCancel={() => setEditing(null)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} initialValues={editing ?? {}} onFinish={(fields) => void save(fields)}>
          <p className="muted">{t('threshold.level.hint')}</p>
          <div className="form-pair">
            {levels.map((level) => (
              <Form.Item key={level} name={['levels', String(level)]} label={<LevelMark level={level} long />}>
                <InputNumber className="grow" />
              </Form.Item>
            ))}
            <Form.Item name="duration_seconds" label={t('threshold.duration')} rules={needed(t('threshold.duration'))}>
              <InputNumber min={0} className="grow" />
            </Form.Item>
            <Form.Item name="hysteresis" label={t('threshold.hysteresis')} rules={needed(t('threshold.hysteresis'))}>
              <InputNumber min={0} className="grow" />
            </Form.Item>
            <Form.Item name="opens_incident_at" label={t('threshold.opens')}>
              <Select options={levels.map((level) => ({ value: level, label: <LevelMark level={level} long /> }))} />
            </Form.Item>
            <Form.Item name="enabled" label={t('threshold.enabled')} valuePropName="checked">
              <Switch />
            </Form.Item>
          </div>
        </Form>
      </Modal>
    </>
  );
}
