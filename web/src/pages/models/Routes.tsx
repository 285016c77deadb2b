import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, Input, InputNumber, Modal, Popconfirm, Select, Space, Table, Tag } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { ModelRoute, Provider } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { useDo } from '../../ui/useDo';

const kinds = ['chat', 'embedding', 'transcription'] as const;
const classes = ['public', 'internal', 'sensitive'] as const;
const empty: ModelRoute = { name: '', kind: 'chat', kind_name: '', title: '', targets: [], seconds: 60, answer_tokens: 2048, version: 0 };

/** Routes name a capability; their targets say where a call goes, and up to which class of data. */
export function Routes() {
  const { t, word } = useTexts();
  const { has } = useSession();
  const routes = useGet<ModelRoute[]>('/models/routes');
  const [edited, setEdited] = useState<ModelRoute>();
  return (
    <div className="stack">
      <Panel title={t('models.routes')} className="panel-flush" extra={has('operator') && <Button size="small" icon={<PlusOutlined />} onClick={() => setEdited(empty)}>{t('route.new')}</Button>}>
        <Answered answer={routes}>
          {(found) => (
            <Table<ModelRoute>
              rowKey="name"
              size="middle"
              pagination={false}
              dataSource={found}
              columns={[
                { title: t('route.name'), key: 'name', render: (_, row) => <div className="cell-two"><b>{row.name}</b><small>{row.title}</small></div> },
                { title: t('model.kind'), key: 'kind', width: 100, render: (_, row) => word('model.kind', row.kind, row.kind_name) },
                {
                  title: t('route.targets'),
                  key: 'targets',
                  render: (_, row) =>
                    row.targets.length === 0 ? (
                      <span className="muted">{t('route.none')}</span>
                    ) : (
                      row.targets.map((each, index) => (
                        <div key={index}>
                          <span className="num">{each.rank}.</span> {each.source} / {each.model} <Tag>{word('data', each.data ?? 'internal')}</Tag>
                        </div>
                      ))
                    ),
                },
                { title: t('route.seconds'), key: 'seconds', width: 100, render: (_, row) => <span className="num">{row.seconds} s</span> },
                { title: '', key: 'edit', width: 90, render: (_, row) => has('operator') && <Button size="small" onClick={() => setEdited(row)}>{t('edit')}</Button> },
              ]}
            />
          )}
        </Answered>
      </Panel>
      <Providers />
      {edited && <RouteDialog route={edited} onClose={() => setEdited(undefined)} />}
    </div>
  );
}

function RouteDialog({ route, onClose }: { route: ModelRoute; onClose: () => void }) {
  const { t, word } = useTexts();
  const run = useDo('/models');
  const [form] = Form.useForm<ModelRoute>();
  const missing = (field: string) => [{ required: true, whitespace: true, message: t('form.missing', { field }) }];
  const save = async ({ name, ...body }: ModelRoute) => {
    const kept = await run(() => api.put(`/models/routes/${name}`, { ...body, version: route.version }));
    if (kept !== undefined) onClose();
  };
  return (
    <Modal open width={860} title={route.name || t('route.new')} onCancel={onClose} onOk={() => form.submit()}>
      <Form form={form} layout="vertical" initialValues={route} onFinish={(fields) => void save(fields)}>
        <div className="form-four">
          <Form.Item name="name" label={t('route.name')} rules={missing(t('route.name'))}>
            <Input disabled={route.version > 0} placeholder="chat" />
          </Form.Item>
          <Form.Item name="title" label={t('property.description')} rules={missing(t('property.description'))}>
            <Input />
          </Form.Item>
          <Form.Item name="kind" label={t('model.kind')}>
            <Select options={kinds.map((value) => ({ value, label: word('model.kind', value) }))} />
          </Form.Item>
          <Form.Item name="seconds" label={t('route.seconds')}>
            <InputNumber min={1} max={600} />
          </Form.Item>
        </div>
        <Form.List name="targets">
          {(fields, { add, remove }) => (
            <>
              {fields.map(({ key, name }) => (
                <Space key={key} align="start" wrap>
                  <Form.Item name={[name, 'source']} label={t('target.source')} rules={missing(t('target.source'))}>
                    <Input placeholder="deployment:chat" />
                  </Form.Item>
                  <Form.Item name={[name, 'model']} label={t('target.model')} rules={missing(t('target.model'))}>
                    <Input />
                  </Form.Item>
                  <Form.Item name={[name, 'data']} label={t('agent.data')}>
                    <Select options={classes.map((value) => ({ value, label: word('data', value) }))} />
                  </Form.Item>
                  <Form.Item name={[name, 'rank']} label={t('target.rank')}>
                    <InputNumber min={1} max={100} precision={0} />
                  </Form.Item>
                  <Form.Item name={[name, 'price_in']} label={t('target.in')}>
                    <InputNumber min={0} precision={0} />
                  </Form.Item>
                  <Form.Item name={[name, 'price_out']} label={t('target.out')}>
                    <InputNumber min={0} precision={0} />
                  </Form.Item>
                  <Button type="text" icon={<DeleteOutlined />} aria-label={t('property.remove')} onClick={() => remove(name)} />
                </Space>
              ))}
              <Button icon={<PlusOutlined />} onClick={() => add({ data: 'internal', rank: fields.length + 1, price_in: 0, price_out: 0 })}>
                {t('target.add')}
              </Button>
            </>
          )}
        </Form.List>
      </Form>
    </Modal>
  );
}

/** Vendors' and own servers with an OpenAI-compatible address; a secret is never shown again. */
function Providers() {
  const { t } = useTexts();
  const { has } = useSession();
  const run = useDo('/models');
  const providers = useGet<Provider[]>('/models/providers');
  const [making, setMaking] = useState(false);
  const [form] = Form.useForm<{ name: string; base_url: string; secret?: string }>();
  return (
    <Panel title={t('models.providers')} className="panel-flush" extra={has('operator') && <Button size="small" icon={<PlusOutlined />} onClick={() => setMaking(true)}>{t('provider.new')}</Button>}>
      <Answered answer={providers} empty={(found) => found.length === 0} emptyText="provider.none">
        {(found) => (
          <Table<Provider>
            rowKey="id"
            size="middle"
            pagination={false}
            dataSource={found}
            columns={[
              { title: t('provider.name'), key: 'name', render: (_, row) => <div className="cell-two"><b>{row.name}</b><small>{row.base_url}</small></div> },
              { title: t('provider.secret'), key: 'secret', width: 120, render: (_, row) => t(row.has_secret ? 'provider.secret.kept' : 'provider.secret.none') },
              {
                title: '',
                key: 'drop',
                width: 90,
                render: (_, row) => has('operator') && (
                  <Popconfirm title={t('provider.drop.sure')} onConfirm={() => void run(() => api.remove(`/models/providers/${row.id}`))}>
                    <Button size="small" type="text" danger>{t('property.remove')}</Button>
                  </Popconfirm>
                ),
              },
            ]}
          />
        )}
      </Answered>
      <Modal open={making} title={t('provider.new')} onCancel={() => setMaking(false)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} onFinish={async (body) => (await run(() => api.post('/models/providers', body))) !== undefined && setMaking(false)}>
          <Form.Item name="name" label={t('provider.name')} rules={[{ required: true, message: t('form.missing', { field: t('provider.name') }) }]}>
            <Input maxLength={60} />
          </Form.Item>
          <Form.Item name="base_url" label={t('provider.url')} rules={[{ required: true, message: t('form.missing', { field: t('provider.url') }) }]}>
            <Input placeholder="https://models.example/v1" />
          </Form.Item>
          <Form.Item name="secret" label={t('provider.secret')}>
            <Input.Password autoComplete="new-password" />
          </Form.Item>
        </Form>
      </Modal>
    </Panel>
  );
}
