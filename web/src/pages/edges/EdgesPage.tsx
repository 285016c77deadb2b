import { PlusOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Typography } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Edge, EdgeMade } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { SearchBox } from '../../ui/SearchBox';
import { DivisionSelect, UnitSelect } from '../../ui/selects';
import { BufferCell, EdgeStateTag, LineCell } from './parts';

/** The gateways beside the devices: which line each of them uses, and what waits there. */
export default function EdgesPage() {
  const { t } = useTexts();
  const { has } = useSession();
  const view = useView();
  const [making, setMaking] = useState(false);
  return (
    <Page
      title={t('edges.title')}
      className="page-table"
      extra={
        has('operator') && (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setMaking(true)} data-testid="new-edge">
            {t('edge.new')}
          </Button>
        )
      }
    >
      <div className="filters">
        <SearchBox value={view.get('q')} onSearch={(q) => view.set({ q, page: null })} placeholder={t('edges.search')} />
      </div>
      <PagedTable<Edge>
        path="/edges"
        query={{ q: view.get('q') }}
        rowKey="id"
        refetchInterval={5_000}
        columns={[
          {
            title: t('edge.name'),
            key: 'name',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/edges/${row.id}`}>{row.name}</Link>
                <small>{row.place}</small>
              </div>
            ),
          },
          { title: t('edge.state'), key: 'state', width: 110, render: (_, row) => <EdgeStateTag edge={row} /> },
          { title: t('edge.primary'), key: 'primary', width: 210, render: (_, row) => <LineCell edge={row} name="primary" /> },
          { title: t('edge.standby'), key: 'standby', width: 210, render: (_, row) => <LineCell edge={row} name="standby" /> },
          { title: t('edge.buffer'), key: 'buffer', width: 220, render: (_, row) => <BufferCell edge={row} /> },
          { title: t('edge.version'), key: 'version', width: 90, render: (_, row) => <span className="num">{row.version || '—'}</span> },
          { title: t('edge.seen'), key: 'seen', width: 160, render: (_, row) => <span className="num">{showFullTime(row.seen_at)}</span> },
        ]}
      />
      {making && <NewEdge onClose={() => setMaking(false)} />}
    </Page>
  );
}

interface Fields {
  name: string;
  place?: string;
  division_code?: string;
  unit_id?: string;
}

function NewEdge({ onClose }: { onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { me } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [form] = Form.useForm<Fields>();
  const [made, setMade] = useState('');
  const make = async (fields: Fields) => {
    try {
      const answer = await api.post<EdgeMade>('/edges', { ...fields, place: fields.place ?? '', division_code: fields.division_code ?? me.division?.code });
      setMade(answer.token);
      renew(['/edges']);
    } catch (error) {
      void message.error(errorText(error), 8);
    }
  };
  if (made) {
    return (
      <Modal open title={t('edge.new')} footer={null} onCancel={onClose}>
        <Typography.Paragraph copyable code data-testid="edge-token">
          {made}
        </Typography.Paragraph>
        <p className="muted">{t('edge.token')}</p>
      </Modal>
    );
  }
  return (
    <Modal open title={t('edge.new')} okText={t('edge.new')} okButtonProps={{ 'data-testid': 'confirm' }} onCancel={onClose} onOk={() => form.submit()}>
      <Form form={form} layout="vertical" onFinish={(fields) => void make(fields)}>
        <Form.Item name="name" label={t('edge.name')} rules={[{ required: true, message: t('form.missing', { field: t('edge.name') }) }]}>
          <Input maxLength={100} data-testid="edge-name" />
        </Form.Item>
        <Form.Item name="place" label={t('edge.place')}>
          <Input maxLength={200} data-testid="edge-place" />
        </Form.Item>
        <Form.Item name="division_code" label={t('field.division')}>
          <DivisionSelect testId="edge-division" />
        </Form.Item>
        <Form.Item name="unit_id" label={t('field.unit')}>
          <UnitSelect allowClear testId="edge-unit" />
        </Form.Item>
      </Form>
    </Modal>
  );
}
