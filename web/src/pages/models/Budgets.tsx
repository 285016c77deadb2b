import { PlusOutlined } from '@ant-design/icons';
import { Button, Form, Input, InputNumber, Modal, Popconfirm, Progress, Select } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Budget } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { PagedTable } from '../../ui/PagedTable';
import { DivisionSelect, UnitSelect } from '../../ui/selects';
import { yuan } from './ModelsPage';
import { useDo } from '../../ui/useDo';

const periods = ['minute', 'day', 'month'] as const;
const CITY = '500000';

interface Fields {
  name: string;
  division_code?: string;
  unit_id?: string;
  route?: string;
  period: string;
  requests?: number;
  tokens?: number;
  yuan?: number;
}

/** What may be used in a minute, a day or a month, and how much of it is. */
export function Budgets() {
  const { t, word } = useTexts();
  const { has } = useSession();
  const run = useDo('/models');
  const [making, setMaking] = useState(false);
  const [form] = Form.useForm<Fields>();
  const make = async ({ yuan: money, ...fields }: Fields) => {
    const body = { ...fields, division_code: fields.division_code ?? CITY, money: money === undefined ? null : Math.round(money * 1e6) };
    if ((await run(() => api.put('/models/budgets', body))) !== undefined) setMaking(false);
  };
  return (
    <>
      {has('operator') && (
        <div className="filters">
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setMaking(true)}>
            {t('budget.new')}
          </Button>
        </div>
      )}
      <PagedTable<Budget>
        path="/models/budgets"
        rowKey="id"
        columns={[
          { title: t('budget.name'), key: 'name', render: (_, row) => <div className="cell-two"><b>{row.name}</b><small>{[row.unit_id ?? row.division_code, row.route].filter(Boolean).join(' · ')}</small></div> },
          { title: t('budget.period'), key: 'period', width: 90, render: (_, row) => word('period', row.period, row.period_name) },
          { title: t('budget.requests'), key: 'requests', width: 180, render: (_, row) => <Bar used={row.spent.requests + row.reserved.requests} of={row.requests} show={String} /> },
          { title: 'tokens', key: 'tokens', width: 180, render: (_, row) => <Bar used={row.spent.tokens + row.reserved.tokens} of={row.tokens} show={String} /> },
          { title: t('budget.money'), key: 'money', width: 180, render: (_, row) => <Bar used={row.spent.money + row.reserved.money} of={row.money} show={yuan} /> },
          { title: t('budget.resets'), key: 'resets', width: 130, render: (_, row) => showTime(row.resets_at) },
          {
            title: '',
            key: 'drop',
            width: 80,
            render: (_, row) => has('operator') && (
              <Popconfirm title={t('budget.drop.sure')} onConfirm={() => void run(() => api.remove(`/models/budgets/${row.id}`))}>
                <Button size="small" type="text" danger>{t('property.remove')}</Button>
              </Popconfirm>
            ),
          },
        ]}
      />
      <Modal open={making} title={t('budget.new')} onCancel={() => setMaking(false)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} initialValues={{ period: 'day' }} onFinish={(fields) => void make(fields)}>
          <Form.Item name="name" label={t('budget.name')} rules={[{ required: true, message: t('form.missing', { field: t('budget.name') }) }]}>
            <Input maxLength={100} />
          </Form.Item>
          <div className="form-pair">
            <Form.Item name="division_code" label={t('field.division')}>
              <DivisionSelect />
            </Form.Item>
            <Form.Item name="unit_id" label={t('field.unit')}>
              <UnitSelect allowClear />
            </Form.Item>
            <Form.Item name="route" label={t('route.name')}>
              <Input placeholder={t('key.all_routes')} />
            </Form.Item>
            <Form.Item name="period" label={t('budget.period')}>
              <Select options={periods.map((value) => ({ value, label: word('period', value) }))} />
            </Form.Item>
            <Form.Item name="requests" label={t('budget.requests')}>
              <InputNumber min={1} precision={0} />
            </Form.Item>
            <Form.Item name="tokens" label="tokens">
              <InputNumber min={1} precision={0} />
            </Form.Item>
            <Form.Item name="yuan" label={t('budget.money')}>
              <InputNumber min={0.01} />
            </Form.Item>
          </div>
        </Form>
      </Modal>
    </>
  );
}

function Bar({ used, of, show }: { used: number; of: number | null | undefined; show: (value: number) => string }) {
  if (of == null) return <span className="muted num">{show(used)}</span>;
  const share = of > 0 ? Math.min(100, (used / of) * 100) : 100;
  return <Progress size="small" percent={share} status={share >= 100 ? 'exception' : 'normal'} format={() => `${show(used)} / ${show(of)}`} />;
}
