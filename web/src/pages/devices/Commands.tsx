import { Button, Form, Input, Modal, Select, Space, Tag, Timeline } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { DeviceCommand, DeviceCommandRecord } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showFullTime, showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { StateSelect } from '../../ui/StateSelect';
import { Answered } from '../../ui/states';
import { useDo } from '../../ui/useDo';

const states = ['asked', 'approved', 'sent', 'ok', 'failed', 'unanswered', 'refused', 'withdrawn', 'expired'] as const;
const waits = [5, 60, 1440] as const;

/** What devices are asked to do: of one device, or of all; each with who asked, who approved and what it answered. */
export function Commands({ device = '' }: { device?: string }) {
  const { t, word } = useTexts();
  const view = useView();
  const state = device ? '' : view.get('state');
  return (
    <>
      {!device && (
        <div className="filters">
          <StateSelect group="command.state" value={state} values={states} />
        </div>
      )}
      <PagedTable<DeviceCommand>
        path={device ? `/devices/${encodeURIComponent(device)}/commands` : '/commands'}
        query={state ? { state } : {}}
        rowKey="id"
        columns={[
          { title: t('command.name'), key: 'name', render: (_, row) => <Button type="link" onClick={() => view.set({ command: row.id })}>{row.name}</Button> },
          ...(device ? [] : [{ title: t('command.device'), key: 'device', render: (_: unknown, row: DeviceCommand) => <Button type="link" onClick={() => view.set({ device: row.device_id })}>{row.device_id}</Button> }]),
          { title: t('command.asked'), key: 'asked', render: (_, row) => `${row.asked_by_name} ${showTime(row.asked_at)}` },
          { title: t('field.state'), key: 'state', render: (_, row) => <Tag>{word('command.state', row.state)}</Tag> },
        ]}
      />
      <CommandDialog id={view.get('command')} onClose={() => view.set({ command: null })} />
    </>
  );
}

function CommandDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTexts();
  const answer = useGet<DeviceCommandRecord>(id ? `/commands/${id}` : null, {}, { refetchInterval: 3000 });
  return (
    <Modal open={id !== ''} onCancel={onClose} footer={null} title={answer.data?.name ?? t('command.name')}>
      <Answered answer={answer} rows={4}>
        {(command) => <CommandBody command={command} />}
      </Answered>
    </Modal>
  );
}

function CommandBody({ command }: { command: DeviceCommandRecord }) {
  const { t, word } = useTexts();
  const { me, has } = useSession();
  const act = useDo('/commands');
  const [reason, setReason] = useState('');
  const mine = command.asked_by === me.id;
  const decide = (approve: boolean) => act(() => api.post(`/commands/${command.id}/decision`, { approve, reason }));
  return (
    <div data-testid="command">
      <p>
        <Tag>{word('command.state', command.state)}</Tag>
        <Tag color={command.effect === 'act' ? 'orange' : 'blue'}>{word('command.effect', command.effect)}</Tag>
        {command.device_id} {command.reason}
      </p>
      {Object.keys(command.arguments).length > 0 && <pre>{JSON.stringify(command.arguments, null, 2)}</pre>}
      <h4>{t('command.steps')}</h4>
      <Timeline
        items={command.steps.map((step) => ({
          children: `${showFullTime(step.at)} ${word('command.state', step.state)} ${step.actor_name} ${typeof step.detail.reason === 'string' ? step.detail.reason : ''}`,
        }))}
      />
      {command.answer && (
        <>
          <h4>{t('command.answer')}</h4>
          <pre>{JSON.stringify(command.answer, null, 2)}</pre>
        </>
      )}
      {command.state === 'asked' && mine && <p className="muted">{t('command.own')}</p>}
      {command.state === 'asked' && !mine && has('duty_officer', 'steward') && (
        <Space wrap>
          <Input value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('command.reason')} aria-label={t('command.reason')} maxLength={500} />
          <Button type="primary" onClick={() => void decide(true)} data-testid="command-approve">
            {t('command.approve')}
          </Button>
          <Button danger disabled={!reason.trim()} onClick={() => void decide(false)}>
            {t('command.refuse')}
          </Button>
        </Space>
      )}
      {mine && (command.state === 'asked' || command.state === 'approved') && (
        <Button onClick={() => void act(() => api.post(`/commands/${command.id}/withdraw`, {}))}>{t('command.withdraw')}</Button>
      )}
    </div>
  );
}

/** The button and the form that ask a device to do something. */
export function AskCommand({ device }: { device: string }) {
  const { t } = useTexts();
  const view = useView();
  const act = useDo('/commands');
  const [open, setOpen] = useState(false);
  const [form] = Form.useForm<{ name: string; arguments: string; reason: string; minutes: number }>();
  const send = async () => {
    const given = await form.validateFields();
    const body = { name: given.name, arguments: JSON.parse(given.arguments || '{}') as object, reason: given.reason ?? '', wait_seconds: given.minutes * 60 };
    const asked = await act(() => api.post<DeviceCommand>(`/devices/${encodeURIComponent(device)}/commands`, body));
    if (asked) {
      setOpen(false);
      form.resetFields();
      view.set({ command: asked.id });
    }
  };
  return (
    <>
      <Button size="small" onClick={() => setOpen(true)} data-testid="command-ask">
        {t('command.ask')}
      </Button>
      <Modal open={open} onCancel={() => setOpen(false)} onOk={() => void send()} title={t('command.ask')} okText={t('command.ask')} cancelText={t('cancel')}>
        <Form form={form} layout="vertical" initialValues={{ minutes: 60 }}>
          <Form.Item name="name" label={t('command.name')} extra={t('command.name.hint')} rules={[{ required: true, pattern: /^[a-z][a-z0-9_]{0,63}$/ }]}>
            <Input autoFocus />
          </Form.Item>
          <Form.Item name="arguments" label={t('command.arguments')} rules={[{ validator: (_, value?: string) => (isObject(value) ? Promise.resolve() : Promise.reject(new Error(t('command.arguments.bad')))) }]}>
            <Input.TextArea rows={2} />
          </Form.Item>
          <Form.Item name="reason" label={t('command.reason')}>
            <Input maxLength={500} />
          </Form.Item>
          <Form.Item name="minutes" label={t('command.wait')}>
            <Select options={waits.map((value) => ({ value, label: t('command.minutes', { minutes: value }) }))} />
          </Form.Item>
        </Form>
      </Modal>
    </>
  );
}

function isObject(text: string | undefined): boolean {
  if (!text?.trim()) return true;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
