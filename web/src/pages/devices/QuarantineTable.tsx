import { App, Button, Drawer, Form, Input, Modal, Segmented, Space, Table, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Paged, Quarantined, QuarantinedDetail } from '../../api/types';
import { useTexts } from '../../i18n';
import { showFullTime, showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Answered, Failed, Nothing } from '../../ui/states';

const states = ['held', 'replay_requested', 'replayed', 'discarded'] as const;

/** Frames that could not be read: a person looks, replays, or throws away with a reason. */
export function QuarantineTable() {
  const { t, word } = useTexts();
  const view = useView();
  const page = view.number('page', 1);
  const state = states.find((each) => each === view.get('state')) ?? 'held';
  const answer = useGet<Paged<Quarantined>>('/quarantine', { state, page, size: 20 }, { keep: true });
  const columns: TableColumnsType<Quarantined> = [
    { title: t('quarantine.received'), key: 'at', width: 130, render: (_, row) => <span className="num">{showTime(row.received_at)}</span> },
    { title: t('quarantine.source'), key: 'source', width: 160, render: (_, row) => <code>{row.source}</code> },
    { title: t('quarantine.reason'), key: 'reason', render: (_, row) => row.reason_text ?? word('quarantine.reason', row.reason) },
    { title: t('quarantine.size'), key: 'size', width: 100, align: 'right', render: (_, row) => (row.size == null ? '—' : t('quarantine.bytes', { bytes: row.size })) },
    { title: t('field.state'), key: 'state', width: 110, render: (_, row) => <span className="pill">{word('quarantine.state', row.state)}</span> },
  ];
  return (
    <>
      <div className="filters">
        <Segmented value={state} onChange={(value) => view.set({ state: value === 'held' ? null : value, page: null })} options={states.map((each) => ({ value: each, label: word('quarantine.state', each) }))} />
      </div>
      {answer.error && !answer.data ? (
        <Failed error={answer.error} retry={() => void answer.refetch()} />
      ) : (
        <Table<Quarantined>
          rowKey="id"
          size="middle"
          columns={columns}
          dataSource={answer.data?.items ?? []}
          loading={answer.isPending || answer.isPlaceholderData}
          locale={{ emptyText: answer.isPending ? ' ' : <Nothing text={t('quarantine.none')} /> }}
          scroll={{ x: 760 }}
          rowClassName="clickable"
          onRow={(row) => ({ onClick: () => view.set({ frame: row.id }), 'data-testid': 'quarantine-row' }) as object}
          pagination={{ current: page, pageSize: 20, total: answer.data?.total ?? 0, showSizeChanger: false, showTotal: (total) => t('paging.total', { total }), onChange: (next) => view.set({ page: next }) }}
        />
      )}
      <FrameDrawer id={view.get('frame')} onClose={() => view.set({ frame: null })} />
    </>
  );
}

function hexLines(hex: string): string[] {
  const bytes = hex.replace(/\s+/g, '').match(/../g) ?? [];
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push(`${at.toString(16).padStart(4, '0')}  ${bytes.slice(at, at + 16).join(' ')}`);
  }
  return lines;
}

function FrameDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const answer = useGet<QuarantinedDetail>(id ? `/quarantine/${encodeURIComponent(id)}` : null);
  const [discarding, setDiscarding] = useState(false);
  const [form] = Form.useForm<{ reason: string }>();
  const act = async (action: 'replay' | 'discard', body?: { reason: string }) => {
    try {
      await api.post(`/quarantine/${encodeURIComponent(id)}/${action}`, body);
      void message.success(t(`quarantine.${action}.done`));
      setDiscarding(false);
      onClose();
    } catch (error) {
      void message.error(errorText(error));
    }
    renew(['/quarantine']);
  };
  return (
    <Drawer
      open={id !== ''}
      onClose={onClose}
      size={640}
      title={t('quarantine.frame')}
      extra={
        <Space>
          <Button danger onClick={() => setDiscarding(true)} data-testid="quarantine-discard">
            {t('quarantine.discard')}
          </Button>
          <Button type="primary" onClick={() => void act('replay')} data-testid="quarantine-replay">
            {t('quarantine.replay')}
          </Button>
        </Space>
      }
    >
      <Answered answer={answer} rows={8}>
        {(frame) => (
          <div className="frame">
            <p className="frame-reason">{frame.reason_text ?? word('quarantine.reason', frame.reason)}</p>
            <p className="muted">
              {frame.source} · {showFullTime(frame.received_at)}
            </p>
            <h3>{t('quarantine.hex')}</h3>
            <pre>{hexLines(frame.hex).join('\n')}</pre>
            <h3>{t('quarantine.text')}</h3>
            <pre className="wrap">{frame.text}</pre>
          </div>
        )}
      </Answered>
      <Modal open={discarding} title={t('quarantine.discard')} okText={t('quarantine.discard')} okButtonProps={{ danger: true, 'data-testid': 'confirm' }} onCancel={() => setDiscarding(false)} onOk={() => form.submit()}>
        <Form form={form} layout="vertical" onFinish={(fields) => void act('discard', fields)}>
          <Form.Item name="reason" label={t('action.reason')} rules={[{ required: true, whitespace: true, message: t('action.reason.missing') }]}>
            <Input.TextArea rows={3} maxLength={500} data-testid="reason-input" />
          </Form.Item>
        </Form>
      </Modal>
    </Drawer>
  );
}
