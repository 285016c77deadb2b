import { App, Button, DatePicker, Form, Input, Modal, Segmented } from 'antd';
import type { Dayjs } from 'dayjs';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Incident, TimeRequest } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { asCityInstant, showTime } from '../../lib/time';
import { Panel } from '../../ui/Page';

const touched = ['/incidents', '/requests', '/tasks', '/supervision'];

/** Grants or refuses a request; a refusal needs a reason. */
export function useDecide(): (request: TimeRequest, approve: boolean, reason: string) => Promise<void> {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  return async (request, approve, reason) => {
    try {
      const decided = await api.post<TimeRequest>(`/requests/${request.id}/decision`, { approve, reason });
      void message.success(t('request.decided', { state: word('request.state', decided.state) }));
    } catch (error) {
      void message.error(errorText(error));
    }
    renew(touched);
  };
}

/** The decision on one request: a reason, and two buttons. */
export function Decision({ request }: { request: TimeRequest }) {
  const { t } = useTexts();
  const decide = useDecide();
  const [reason, setReason] = useState('');
  return (
    <span className="decision">
      <Input size="small" value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('request.reason')} maxLength={500} />
      <Button size="small" type="primary" onClick={() => void decide(request, true, reason)} data-testid="request-grant">
        {t('request.grant')}
      </Button>
      <Button size="small" danger disabled={!reason.trim()} onClick={() => void decide(request, false, reason)}>
        {t('request.refuse')}
      </Button>
    </span>
  );
}

/** The unit's requests for more time; the unit asks, the desk decides. */
export function Requests({ incident }: { incident: Incident }) {
  const { t, word } = useTexts();
  const { me, has } = useSession();
  const [asking, setAsking] = useState(false);
  const mine = has('handler') && me.unit?.code === incident.unit_id && incident.state === 'accepted';
  if (incident.requests.length === 0 && !mine) return null;
  return (
    <Panel title={t('request.title')} extra={mine && <Button size="small" onClick={() => setAsking(true)}>{t('request.ask')}</Button>}>
      <ul className="merges">
        {incident.requests.map((request) => (
          <li key={request.id}>
            <span>
              <b>{word('request.kind', request.kind)}</b> {t('request.until', { time: showTime(request.until) })} · {request.reason}
              <small className="muted">
                {' '}
                {request.asked_by_name} · {showTime(request.asked_at)} · {word('request.state', request.state)}
                {request.decided_by_name && ` · ${request.decided_by_name}`}
                {request.decision && `：${request.decision}`}
              </small>
            </span>
            {request.state === 'open' && has('dispatcher', 'duty_officer') && <Decision request={request} />}
          </li>
        ))}
      </ul>
      {asking && <AskDialog incident={incident} onClose={() => setAsking(false)} />}
    </Panel>
  );
}

function AskDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [form] = Form.useForm<{ kind: string; until: Dayjs; reason: string }>();
  const submit = async ({ kind, until, reason }: { kind: string; until: Dayjs; reason: string }) => {
    try {
      await api.post(`/incidents/${incident.id}/requests`, { kind, until: asCityInstant(until), reason });
      renew(touched);
      onClose();
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const required = (field: string) => [{ required: true, message: t('form.missing', { field }) }];
  return (
    <Modal open title={t('request.ask')} onCancel={onClose} onOk={() => form.submit()} okText={t('request.send')}>
      <Form form={form} layout="vertical" initialValues={{ kind: 'extension' }} onFinish={(fields) => void submit(fields)}>
        <Form.Item name="kind">
          <Segmented options={[{ value: 'extension', label: t('action.extend') }, { value: 'suspension', label: t('action.suspend') }]} />
        </Form.Item>
        <Form.Item name="until" label={t('request.until.label')} rules={required(t('request.until.label'))}>
          <DatePicker showTime={{ format: 'HH:mm' }} format="YYYY-MM-DD HH:mm" className="grow" />
        </Form.Item>
        <Form.Item name="reason" label={t('action.reason')} rules={required(t('action.reason'))}>
          <Input.TextArea rows={3} maxLength={500} showCount />
        </Form.Item>
      </Form>
    </Modal>
  );
}
