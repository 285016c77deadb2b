import { App, Button, Form, Input, Modal, Popconfirm, Select, Typography, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { TokenRow } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { PagedTable } from '../../ui/PagedTable';

/** Machines' keys. A key is shown once, when it is made. */
export function TokensTab() {
  const { t, word, errorText } = useTexts();
  const { me, has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState('');
  const [form] = Form.useForm<{ name: string; role: string }>();
  const revoke = async (id: string) => {
    try {
      await api.remove(`/tokens/${id}`);
      renew(['/tokens']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const make = async (fields: { name: string; role: string }) => {
    try {
      const { secret } = await api.post<{ secret: string }>('/tokens', { ...fields, division_code: me.division?.code });
      setMade(secret);
      setMaking(false);
      renew(['/tokens']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const columns: TableColumnsType<TokenRow> = [
    { title: t('token.name'), key: 'name', render: (_, row) => row.name },
    { title: t('user.roles'), key: 'role', render: (_, row) => word('role', row.role) },
    { title: t('token.created'), key: 'created', render: (_, row) => <span className="num">{showTime(row.created_at)}</span> },
    { title: t('token.expires'), key: 'expires', render: (_, row) => <span className="num">{showTime(row.expires_at)}</span> },
    { title: t('token.state'), key: 'state', render: (_, row) => <span className={row.revoked_at ? 'status status-offline' : 'status status-online'}>{t(row.revoked_at ? 'token.revoked' : 'token.valid')}</span> },
    {
      title: '',
      key: 'revoke',
      width: 90,
      render: (_, row) => row.revoked_at === null && has('operator') && (
        <Popconfirm title={t('token.revoke.sure')} onConfirm={() => void revoke(row.id)}>
          <Button type="text" danger size="small">
            {t('token.revoke')}
          </Button>
        </Popconfirm>
      ),
    },
  ];
  return (
    <>
      {has('operator') && (
        <div className="filters">
          <Button type="primary" onClick={() => setMaking(true)}>
            {t('token.make')}
          </Button>
        </div>
      )}
      <PagedTable<TokenRow> path="/tokens" rowKey="id" columns={columns} />
      <Modal open={making} title={t('token.make')} okText={t('token.make')} okButtonProps={{ 'data-testid': 'confirm' }} onCancel={() => setMaking(false)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} initialValues={{ role: 'gateway' }} onFinish={(fields) => void make(fields)}>
          <Form.Item name="name" label={t('token.name')} rules={[{ required: true, message: t('form.missing', { field: t('token.name') }) }]}>
            <Input maxLength={60} />
          </Form.Item>
          <Form.Item name="role" label={t('user.roles')}>
            <Select options={['gateway', 'reporter', 'agent_client', 'reader', 'integrator'].map((role) => ({ value: role, label: word('role', role) }))} />
          </Form.Item>
        </Form>
      </Modal>
      <Modal open={made !== ''} title={t('token.made')} footer={null} onCancel={() => setMade('')}>
        <Typography.Paragraph copyable code>
          {made}
        </Typography.Paragraph>
        <p className="muted">{t('token.once')}</p>
      </Modal>
    </>
  );
}
