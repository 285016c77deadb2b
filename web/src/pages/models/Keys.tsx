import { Button, DatePicker, Form, Input, Modal, Popconfirm, Select, Typography } from 'antd';
import type { Dayjs } from 'dayjs';
import { useState } from 'react';
import { api } from '../../api/client';
import type { ModelKey } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { asCityInstant, showTime } from '../../lib/time';
import { PagedTable } from '../../ui/PagedTable';
import { UnitSelect } from '../../ui/selects';
import { useDo } from '../../ui/useDo';

interface Fields {
  name: string;
  unit_id?: string;
  data: string;
  expires?: Dayjs;
}

/** Units' keys to the gateway; a key is shown once, when it is made. */
export function Keys() {
  const { t, word } = useTexts();
  const { me, has } = useSession();
  const run = useDo('/models');
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState('');
  const [form] = Form.useForm<Fields>();
  const make = async ({ expires, unit_id, ...fields }: Fields) => {
    const body = { ...fields, division_code: me.division?.code, unit_id: unit_id ?? null, expires_at: expires ? asCityInstant(expires) : null };
    const answer = await run(() => api.post<{ secret: string }>('/models/keys', body));
    if (!answer) return;
    setMade(answer.secret);
    setMaking(false);
  };
  return (
    <>
      {has('operator', 'developer') && (
        <div className="filters">
          <Button type="primary" onClick={() => setMaking(true)}>
            {t('key.make')}
          </Button>
        </div>
      )}
      <PagedTable<ModelKey>
        path="/models/keys"
        rowKey="id"
        columns={[
          { title: t('token.name'), key: 'name', render: (_, row) => <div className="cell-two"><b>{row.name}</b><small>{row.hint}</small></div> },
          { title: t('models.routes'), key: 'routes', render: (_, row) => row.routes?.join('、') ?? t('key.all_routes') },
          { title: t('agent.data'), key: 'data', width: 100, render: (_, row) => word('data', row.data) },
          { title: t('token.created'), key: 'created', width: 140, render: (_, row) => showTime(row.created_at) },
          { title: t('token.expires'), key: 'expires', width: 140, render: (_, row) => showTime(row.expires_at) },
          { title: t('token.state'), key: 'state', width: 100, render: (_, row) => t(row.revoked_at ? 'token.revoked' : 'token.valid') },
          {
            title: '',
            key: 'revoke',
            width: 90,
            render: (_, row) => row.revoked_at === null && has('operator', 'developer') && (
              <Popconfirm title={t('token.revoke.sure')} onConfirm={() => void run(() => api.remove(`/models/keys/${row.id}`))}>
                <Button type="text" danger size="small">{t('token.revoke')}</Button>
              </Popconfirm>
            ),
          },
        ]}
      />
      <Modal open={making} title={t('key.make')} onCancel={() => setMaking(false)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} initialValues={{ data: 'internal' }} onFinish={(fields) => void make(fields)}>
          <Form.Item name="name" label={t('token.name')} rules={[{ required: true, message: t('form.missing', { field: t('token.name') }) }]}>
            <Input maxLength={60} />
          </Form.Item>
          <Form.Item name="unit_id" label={t('field.unit')}>
            <UnitSelect allowClear />
          </Form.Item>
          <Form.Item name="data" label={t('agent.data')}>
            <Select options={(['public', 'internal', 'sensitive'] as const).map((value) => ({ value, label: word('data', value) }))} />
          </Form.Item>
          <Form.Item name="expires" label={t('token.expires')}>
            <DatePicker showTime />
          </Form.Item>
        </Form>
      </Modal>
      <Modal open={made !== ''} title={t('token.made')} footer={null} onCancel={() => setMade('')}>
        <Typography.Paragraph copyable code>{made}</Typography.Paragraph>
        <p className="muted">{t('token.once')}</p>
      </Modal>
    </>
  );
}
