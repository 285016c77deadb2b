import { EditOutlined } from '@ant-design/icons';
import { App, Button, Form, InputNumber, Modal, Select, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Threshold } from '../../api/types';
import { useTexts } from '../../i18n';
import { LevelMark } from '../../ui/level';
import { PagedTable } from '../../ui/PagedTable';

export function ThresholdsTab() {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [editing, setEditing] = useState<Threshold | null>(null);
  const [form] = Form.useForm<Threshold>();
  const columns: TableColumnsType<Threshold> = [
    { title: t('field.level'), key: 'level', width: 90, render: (_, row) => <LevelMark level={row.level} /> },
    { title: t('threshold.for'), key: 'for', render: (_, row) => row.device_id ?? row.class_code },
    { title: t('field.metric'), key: 'metric', render: (_, row) => word('metric', row.metric) },
    { title: t('threshold.line'), key: 'line', render: (_, row) => <span className="num">{word('direction', row.direction)} {row.value}</span> },
    { title: t('threshold.duration'), key: 'duration', render: (_, row) => t('device.seconds', { seconds: row.duration_seconds }) },
    { title: t('threshold.hysteresis'), key: 'hysteresis', render: (_, row) => <span className="num">{row.hysteresis}</span> },
    {
      title: '',
      key: 'edit',
      width: 60,
      render: (_, row) => (
        <Button
          type="text"
          icon={<EditOutlined />}
          aria-label={t('threshold.edit')}
          onClick={() => {
            form.setFieldsValue(row);
            setEditing(row);
          }}
        />
      ),
    },
  ];
  const save = async (fields: Partial<Threshold>) => {
    if (!editing) return;
    try {
      await api.put(`/thresholds/${editing.id}`, { ...editing, ...fields });
      void message.success(t('saved'));
      setEditing(null);
      renew(['/thresholds']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <>
      <PagedTable<Threshold> path="/thresholds" rowKey="id" columns={columns} />
      <Modal open={editing !== null} title={t('threshold.edit')} okText={t('save')} okButtonProps={{ 'data-testid': 'confirm' }} onCancel={() => setEditing(null)} onOk={() => form.submit()} forceRender>
        <Form form={form} layout="vertical" onFinish={(fields) => void save(fields)}>
          <div className="form-pair">
            <Form.Item name="level" label={t('field.level')}>
              <Select options={([1, 2, 3, 4] as const).map((level) => ({ value: level, label: t(`level.long.${level}`) }))} />
            </Form.Item>
            <Form.Item name="value" label={t('threshold.value')} rules={[{ required: true, message: t('form.missing', { field: t('threshold.value') }) }]}>
              <InputNumber className="grow" />
            </Form.Item>
            <Form.Item name="duration_seconds" label={t('threshold.duration')} rules={[{ required: true, message: t('form.missing', { field: t('threshold.duration') }) }]}>
              <InputNumber min={0} className="grow" />
            </Form.Item>
            <Form.Item name="hysteresis" label={t('threshold.hysteresis')} rules={[{ required: true, message: t('form.missing', { field: t('threshold.hysteresis') }) }]}>
              <InputNumber min={0} className="grow" />
            </Form.Item>
          </div>
        </Form>
      </Modal>
    </>
  );
}
