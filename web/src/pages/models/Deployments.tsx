import { PlusOutlined } from '@ant-design/icons';
import { Button, Form, Input, InputNumber, Modal, Popconfirm, Progress, Space, Tag } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Deployment } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { PagedTable } from '../../ui/PagedTable';
import { useDo } from '../../ui/useDo';

type Step = 'scale' | 'canary' | 'promote' | 'rollback' | 'stop' | 'start';

/** What runs where: replicas of a version, perhaps with a share for the next one. */
export function Deployments() {
  const { t, word } = useTexts();
  const { has } = useSession();
  const [making, setMaking] = useState(false);
  return (
    <>
      {has('operator') && (
        <div className="filters">
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setMaking(true)}>
            {t('deployment.new')}
          </Button>
        </div>
      )}
      <PagedTable<Deployment>
        path="/models/deployments"
        rowKey="name"
        columns={[
          {
            title: t('deployment.name'),
            key: 'name',
            render: (_, row) => (
              <div className="cell-two">
                <b>{row.name}</b>
                <small>{row.route_target}</small>
              </div>
            ),
          },
          { title: t('model.version'), key: 'version', render: (_, row) => `${row.model_id} ${row.version}` },
          { title: t('deployment.replicas'), key: 'replicas', width: 120, render: (_, row) => <span className="num">{`${row.ready} / ${row.replicas}`}</span> },
          { title: t('deployment.canary'), key: 'canary', width: 170, render: (_, row) => (row.canary_version ? <Progress size="small" percent={Math.round(row.canary_share * 100)} format={(share) => `${row.canary_version ?? ''} ${share ?? 0}%`} /> : '—') },
          { title: t('field.state'), key: 'state', width: 110, render: (_, row) => <Tag color={row.ready >= row.replicas && row.replicas > 0 ? 'green' : 'default'}>{word('deployment.state', row.state, row.state_name)}</Tag> },
          { title: '', key: 'do', width: 300, render: (_, row) => has('operator') && <Actions deployment={row} /> },
        ]}
      />
      {making && <NewDeployment onClose={() => setMaking(false)} />}
    </>
  );
}

function Actions({ deployment }: { deployment: Deployment }) {
  const { t } = useTexts();
  const run = useDo('/models');
  const [asked, setAsked] = useState<'scale' | 'canary'>();
  const act = (step: Step, body: object = {}) => run(() => api.post(`/models/deployments/${deployment.name}/${step}`, body));
  return (
    <Space wrap size="small">
      <Button size="small" onClick={() => setAsked('scale')}>
        {t('deployment.scale')}
      </Button>
      {deployment.canary_version ? (
        <>
          <Button size="small" type="primary" onClick={() => void act('promote')}>
            {t('deployment.promote')}
          </Button>
          <Button size="small" onClick={() => void act('rollback')}>
            {t('deployment.rollback')}
          </Button>
        </>
      ) : (
        <>
          <Button size="small" onClick={() => setAsked('canary')}>
            {t('deployment.try')}
          </Button>
          {deployment.earlier_version && (
            <Popconfirm title={t('deployment.rollback.sure', { version: deployment.earlier_version })} onConfirm={() => void act('rollback')}>
              <Button size="small">{t('deployment.rollback')}</Button>
            </Popconfirm>
          )}
        </>
      )}
      <Button size="small" type="text" danger={deployment.state !== 'stopped'} onClick={() => void act(deployment.state === 'stopped' ? 'start' : 'stop')}>
        {t(deployment.state === 'stopped' ? 'deployment.start' : 'deployment.stop')}
      </Button>
      {asked && (
        <Modal open title={`${deployment.name} · ${t(asked === 'scale' ? 'deployment.scale' : 'deployment.try')}`} footer={null} onCancel={() => setAsked(undefined)}>
          <Form
            layout="vertical"
            initialValues={{ replicas: deployment.replicas, percent: 10 }}
            onFinish={async ({ replicas, version, percent }: { replicas: number; version: string; percent: number }) => {
              const done = await (asked === 'scale' ? act('scale', { replicas }) : act('canary', { version, share: percent / 100 }));
              if (done !== undefined) setAsked(undefined);
            }}
          >
            {asked === 'scale' ? (
              <Form.Item name="replicas" label={t('deployment.replicas')}>
                <InputNumber min={0} max={32} precision={0} />
              </Form.Item>
            ) : (
              <>
                <Form.Item name="version" label={t('model.version')} rules={[{ required: true, message: t('form.missing', { field: t('model.version') }) }]}>
                  <Input />
                </Form.Item>
                <Form.Item name="percent" label={t('deployment.share')}>
                  <InputNumber min={1} max={99} precision={0} />
                </Form.Item>
              </>
            )}
            <Button type="primary" htmlType="submit">
              {t('save')}
            </Button>
          </Form>
        </Modal>
      )}
    </Space>
  );
}

function NewDeployment({ onClose }: { onClose: () => void }) {
  const { t } = useTexts();
  const run = useDo('/models');
  const [form] = Form.useForm<{ name: string; model_id: string; version: string; replicas: number }>();
  const missing = (field: string) => [{ required: true, whitespace: true, message: t('form.missing', { field }) }];
  return (
    <Modal open title={t('deployment.new')} onCancel={onClose} onOk={() => form.submit()}>
      <Form form={form} layout="vertical" initialValues={{ replicas: 1 }} onFinish={async (body) => (await run(() => api.post('/models/deployments', body))) !== undefined && onClose()}>
        <Form.Item name="name" label={t('deployment.name')} rules={missing(t('deployment.name'))}>
          <Input placeholder="chat" />
        </Form.Item>
        <div className="form-pair">
          <Form.Item name="model_id" label={t('model.id')} rules={missing(t('model.id'))}>
            <Input />
          </Form.Item>
          <Form.Item name="version" label={t('model.version')} rules={missing(t('model.version'))}>
            <Input />
          </Form.Item>
        </div>
        <Form.Item name="replicas" label={t('deployment.replicas')}>
          <InputNumber min={0} max={32} precision={0} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
