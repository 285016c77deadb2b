import { Button, Descriptions, Form, Input, InputNumber, Popconfirm, Select, Spin, Tag } from 'antd';
import { useParams } from 'react-router';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { Edge, EdgeHappening } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page, Panel } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { Failed } from '../../ui/states';
import { useDo } from '../../ui/useDo';
import { BufferCell, EdgeStateTag, LineCell, mebibytes } from './parts';

/** One edge gateway: both lines, its disk, what is wanted of it, and what happened to it. */
export default function EdgePage() {
  const { id = '' } = useParams();
  const { t } = useTexts();
  const { has } = useSession();
  const run = useDo('/edges');
  const answer = useGet<Edge>(`/edges/${id}`, {}, { refetchInterval: 5_000 });
  const edge = answer.data;
  if (answer.error && !edge) return <Failed error={answer.error} retry={() => void answer.refetch()} />;
  if (!edge) return <Spin className="page-wait" size="large" />;
  return (
    <Page
      title={
        <>
          {edge.name} <EdgeStateTag edge={edge} />
        </>
      }
      extra={
        has('operator') &&
        edge.ended_at === null && (
          <Popconfirm title={t('edge.end.sure')} onConfirm={() => void run(() => api.post(`/edges/${id}/end`))}>
            <Button danger>{t('edge.end')}</Button>
          </Popconfirm>
        )
      }
    >
      <Panel>
        <Facts edge={edge} />
      </Panel>
      {has('operator') && edge.ended_at === null && <Wants edge={edge} />}
      <Panel title={t('edge.history')}>
        <History id={id} />
      </Panel>
    </Page>
  );
}

function Facts({ edge }: { edge: Edge }) {
  const { t } = useTexts();
  const links = Object.entries(edge.links).map(([name, count]) => `${name} ${String(count)}`);
  const version = [edge.version || '—', edge.wanted_version && edge.wanted_version !== edge.version ? t('edge.version.wanted', { version: edge.wanted_version }) : ''].filter(Boolean).join(' · ');
  const items = [
    { key: 'primary', label: t('edge.primary'), children: <LineCell edge={edge} name="primary" /> },
    { key: 'standby', label: t('edge.standby'), children: <LineCell edge={edge} name="standby" /> },
    { key: 'buffer', label: t('edge.buffer'), children: <BufferCell edge={edge} /> },
    { key: 'full', label: t('edge.dropped'), children: <span className="num">{edge.buffer?.dropped_readings ?? '—'}</span> },
    { key: 'size', label: t('edge.room'), children: edge.buffer ? `${t('edge.full', { used: mebibytes(edge.buffer.bytes), limit: mebibytes(edge.buffer.limit) })} · ${t(edge.buffer.when_full === 'wait' ? 'edge.when_full.wait' : 'edge.when_full.drop_oldest')}` : '—' },
    { key: 'seen', label: t('edge.seen'), children: <span className="num">{showFullTime(edge.seen_at)}</span> },
    { key: 'clock', label: t('edge.clock'), children: <span className="num">{edge.clock_offset === null ? '—' : t('edge.clock.value', { seconds: (Math.round(edge.clock_offset * 10) / 10 || 0).toFixed(1) })}</span> },
    { key: 'version', label: t('edge.version'), children: <span className="num">{version}</span> },
    { key: 'memory', label: t('edge.memory'), children: <span className="num">{edge.memory_mb === null ? '—' : `${String(edge.memory_mb)} MiB`}</span> },
    { key: 'devices', label: t('edge.devices'), children: <span className="num">{edge.devices}</span> },
    { key: 'links', label: t('edge.links'), children: <span className="num">{links.join(' · ') || '—'}</span> },
    { key: 'readings', label: t('edge.readings'), children: <span className="num">{edge.readings}</span> },
    { key: 'place', label: t('edge.place'), children: edge.place || '—' },
  ];
  return <Descriptions size="small" column={{ xs: 1, md: 2, xl: 3 }} items={items} />;
}

interface WantedFields {
  megabytes: number;
  when_full: 'wait' | 'drop_oldest';
  return_seconds: number;
  version?: string;
}

function Wants({ edge }: { edge: Edge }) {
  const { t } = useTexts();
  const run = useDo('/edges');
  const [form] = Form.useForm<WantedFields>();
  const buffer = edge.wanted.buffer;
  const switching = edge.wanted.switching ?? edge.switching;
  const initial = {
    megabytes: buffer?.megabytes ?? Math.round((edge.buffer?.limit ?? 4096 * 2 ** 20) / 2 ** 20),
    when_full: buffer?.when_full ?? edge.buffer?.when_full ?? 'wait',
    return_seconds: switching?.return_seconds ?? 30,
    version: edge.wanted_version ?? '',
  };
  const ask = (fields: WantedFields) =>
    run(() =>
      api.put(`/edges/${edge.id}/wanted`, {
        tuning: {
          buffer: { megabytes: fields.megabytes, when_full: fields.when_full },
          switching: { ...switching, return_seconds: fields.return_seconds },
        },
        version: fields.version === '' ? null : fields.version,
      }),
    );
  return (
    <Panel title={t('edge.wants')} extra={<span className="muted num">{t('edge.wants.revision', { wanted: edge.wanted_revision, applied: edge.tuning_revision })}</span>}>
      {edge.tuning_error && <p className="line-down">{edge.tuning_error}</p>}
      <Form form={form} layout="inline" initialValues={initial} onFinish={(fields) => void ask(fields)}>
        <Form.Item name="megabytes" label={t('edge.wants.megabytes')}>
          <InputNumber min={1} max={10_000_000} data-testid="want-megabytes" />
        </Form.Item>
        <Form.Item name="when_full" label={t('edge.wants.when_full')}>
          <Select popupMatchSelectWidth={false} options={(['wait', 'drop_oldest'] as const).map((value) => ({ value, label: t(`edge.when_full.${value}`) }))} />
        </Form.Item>
        <Form.Item name="return_seconds" label={t('edge.wants.return_seconds')}>
          <InputNumber min={0} max={86_400} />
        </Form.Item>
        <Form.Item name="version" label={t('edge.wants.version')} rules={[{ pattern: /^([0-9][0-9A-Za-z.+-]{0,39})?$/, message: '0.1.0' }]}>
          <Input style={{ width: 110 }} />
        </Form.Item>
        <Button htmlType="submit" type="primary" data-testid="want-save">
          {t('save')}
        </Button>
      </Form>
    </Panel>
  );
}

const kinds = ['switched', 'silent', 'back', 'dropped', 'applied', 'failed', 'started', 'wanted'] as const;

function History({ id }: { id: string }) {
  const { t, word } = useTexts();
  const view = useView();
  const kind = view.get('kind');
  return (
    <>
      <div className="filters">
        <Select
          allowClear
          value={kind || null}
          placeholder={t('edge.all')}
          aria-label={t('edge.history')}
          onChange={(value) => view.set({ kind: value, page: null })}
          options={kinds.map((value) => ({ value, label: word('edge.change', value) }))}
          popupMatchSelectWidth={false}
        />
      </div>
      <PagedTable<EdgeHappening>
        path={`/edges/${id}/history`}
        query={{ kind }}
        rowKey="id"
        refetchInterval={5_000}
        columns={[
          { title: t('edge.at'), key: 'at', width: 180, render: (_, row) => <span className="num">{showFullTime(row.at)}</span> },
          { title: t('edge.what'), key: 'kind', width: 130, render: (_, row) => <Tag>{word('edge.change', row.kind)}</Tag> },
          { title: '', key: 'detail', render: (_, row) => <Detail happening={row} /> },
        ]}
      />
    </>
  );
}

function Detail({ happening: { kind, detail } }: { happening: EdgeHappening }) {
  const { t, word } = useTexts();
  const text = (name: string) => (detail[name] === undefined || detail[name] === null ? '' : String(detail[name]));
  if (kind === 'switched') {
    const line = (name: string) => word('edge.line', text(name) || 'none');
    return (
      <div className="cell-two">
        <span>
          {line('before')} → {line('after')}
        </span>
        <small>{text('reason')}</small>
      </div>
    );
  }
  if (kind === 'dropped') return <span className="num">{t('edge.waiting', { count: text('readings') })}</span>;
  const revision = text('revision') || text('wanted_revision');
  const version = text('version') || text('wanted_version');
  const parts = [
    text('by'),
    revision && t('edge.revision', { revision }),
    version && `${t('edge.version')} ${version}`,
    text('since') && showFullTime(text('since')),
    text('reason'),
  ].filter(Boolean);
  return <span>{parts.join(' · ')}</span>;
}
