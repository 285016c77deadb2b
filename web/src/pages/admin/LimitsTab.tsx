import { App, Button, Form, Input, Modal, Table } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Limit } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { LevelMark } from '../../ui/level';
import { CategorySelect } from '../../ui/selects';

/** How long each step may take, in natural or working time; the city's own limits go before the platform's. */
export function LimitsTab() {
  const { t, errorText } = useTexts();
  const { has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const limits = useGet<Limit[]>('/limits');
  const [editing, setEditing] = useState<Limit | null>(null);
  const [amount, setAmount] = useState('');
  const [category, setCategory] = useState<string>();
  const act = async (work: Promise<unknown>) => {
    try {
      await work;
      setEditing(null);
      renew(['/limits']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <>
      <p className="filters muted">{t('limit.amount.hint')}</p>
      <Table<Limit>
        size="small"
        rowKey={(row) => `${row.category} ${row.grade} ${row.step}`}
        dataSource={limits.data ?? []}
        loading={limits.isPending}
        pagination={false}
        scroll={{ x: 640 }}
        columns={[
          { title: t('field.category'), key: 'category', render: (_, row) => row.category_name },
          { title: t('field.grade'), key: 'grade', width: 90, render: (_, row) => <LevelMark level={row.grade as 1 | 2 | 3 | 4} of="incident" /> },
          { title: t('limit.step'), key: 'step', render: (_, row) => row.step_name },
          { title: t('limit.amount'), key: 'amount', render: (_, row) => (row.own ? <b>{row.amount_name}</b> : row.amount_name) },
          { title: t('limit.default'), key: 'default', render: (_, row) => <span className="muted">{row.own ? row.default : ''}</span> },
          {
            title: '',
            key: 'edit',
            width: 160,
            render: (_, row) =>
              has('steward', 'duty_officer') && (
                <>
                  <Button
                    size="small"
                    onClick={() => {
                      setEditing(row);
                      setAmount(row.amount);
                      setCategory(undefined);
                    }}
                  >
                    {t('limit.set')}
                  </Button>{' '}
                  {row.own && (
                    <Button size="small" danger onClick={() => void act(api.remove(`/limits?category=${encodeURIComponent(row.category)}&grade=${row.grade}&step=${row.step}`))}>
                      {t('limit.drop')}
                    </Button>
                  )}
                </>
              ),
          },
        ]}
      />
      {editing && (
        <Modal
          open
          title={`${editing.category_name} · ${editing.step_name}`}
          onCancel={() => setEditing(null)}
          onOk={() => void act(api.put('/limits', { category: category ?? editing.category, grade: editing.grade, step: editing.step, amount }))}
          okButtonProps={{ disabled: !amount.trim() }}
        >
          <Form layout="vertical">
            <Form.Item label={t('field.category')} extra={t('limit.category.hint')}>
              <CategorySelect {...(category ? { value: category } : {})} onChange={setCategory} placeholder={editing.category_name} testId="limit-category" />
            </Form.Item>
            <Form.Item label={t('limit.amount')} extra={t('limit.amount.hint')}>
              <Input value={amount} onChange={(event) => setAmount(event.target.value)} placeholder="3 wd" />
            </Form.Item>
          </Form>
        </Modal>
      )}
    </>
  );
}
