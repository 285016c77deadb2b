import { App, Button, Input, Modal, Popconfirm, Space, Typography } from 'antd';
import { useState } from 'react';
import { api } from '../api/client';
import { useRefresh } from '../api/hooks';
import type { TokenRow } from '../api/types';
import { useTexts } from '../i18n';
import { showTime } from '../lib/time';
import { PagedTable } from '../ui/PagedTable';

/** Tokens with which a person's own programs use agents and tools, by MCP and A2A, with the person's rights. */
export function OwnTokens({ onClose }: { onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [name, setName] = useState('');
  const [secret, setSecret] = useState('');
  const run = async (step: () => Promise<unknown>) => {
    try {
      await step();
      renew(['/session/tokens']);
    } catch (error) {
      void message.error(errorText(error), 6);
    }
  };
  const make = () =>
    run(async () => {
      const made = await api.post<{ secret: string }>('/session/tokens', { name });
      setSecret(made.secret);
      setName('');
    });
  return (
    <Modal open width={720} title={t('clients.title')} footer={null} onCancel={onClose}>
      <p className="muted">{t('clients.hint', { mcp: `${window.location.protocol}//${window.location.hostname}:${Number(window.location.port || 8600) + 31}/mcp` })}</p>
      <Space className="filters">
        <Input value={name} onChange={(event) => setName(event.target.value)} placeholder={t('token.name')} aria-label={t('token.name')} maxLength={60} data-testid="client-name" />
        <Button type="primary" disabled={!name.trim()} onClick={() => void make()} data-testid="client-make">
          {t('token.make')}
        </Button>
      </Space>
      {secret && (
        <Typography.Paragraph copyable code data-testid="client-secret">
          {secret}
        </Typography.Paragraph>
      )}
      <PagedTable<TokenRow>
        path="/session/tokens"
        rowKey="id"
        columns={[
          { title: t('token.name'), key: 'name', render: (_, row) => row.name },
          { title: t('token.expires'), key: 'expires', render: (_, row) => showTime(row.expires_at) },
          { title: t('token.state'), key: 'state', render: (_, row) => t(row.revoked_at ? 'token.revoked' : 'token.valid') },
          {
            title: '',
            key: 'revoke',
            render: (_, row) => row.revoked_at === null && (
              <Popconfirm title={t('token.revoke.sure')} onConfirm={() => void run(() => api.remove(`/session/tokens/${row.id}`))}>
                <Button type="text" danger size="small">{t('token.revoke')}</Button>
              </Popconfirm>
            ),
          },
        ]}
      />
    </Modal>
  );
}
