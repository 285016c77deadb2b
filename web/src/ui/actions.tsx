import { useQueryClient } from '@tanstack/react-query';
import { App, Form, Input, Modal } from 'antd';
import { createContext, use, useCallback, useState, type ReactNode } from 'react';
import { api } from '../api/client';
import { apiKey, refresh } from '../api/hooks';
import type { Action, ActionBody, Incident } from '../api/types';
import { useTexts } from '../i18n';
import { UnitSelect } from './selects';

type Start = (incidentId: string, action: string) => Promise<void>;

const ActionsContext = createContext<Start>(() => Promise.resolve());

/** Takes one step of an incident: asks for what the step needs, sends it, and renews what changed. */
export const useAction = (): Start => use(ActionsContext);

const touched = ['/incidents', '/tasks', '/situation', '/evaluation', '/warnings'];

/** Sends a step and puts the server's answer where the incident page reads it. */
export function useSendAction() {
  const client = useQueryClient();
  return useCallback(
    async (incident: Pick<Incident, 'id' | 'version'>, action: string, body: ActionBody) => {
      const after = await api.post<Incident>(`/incidents/${incident.id}/actions/${action}`, {
        version: incident.version,
        ...body,
      });
      client.setQueryData(apiKey(`/incidents/${incident.id}`), after);
      refresh(client, touched);
      return after;
    },
    [client],
  );
}

interface Asked {
  incident: Incident;
  action: Action;
}

interface Fields {
  unit_id?: string;
  reason?: string;
  result?: string;
}

export function ActionsProvider({ children }: { children: ReactNode }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const send = useSendAction();
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = useCallback(
    async ({ incident, action }: Asked, fields: Fields) => {
      setBusy(true);
      try {
        await send(incident, action.action, fields);
        setAsked(null);
        void message.success(t('action.done', { action: word('action', action.action, action.name) }));
      } catch (error) {
        void message.error(errorText(error));
        refresh(client, ['/incidents']);
      } finally {
        setBusy(false);
      }
    },
    [client, errorText, message, send, t, word],
  );

  const start = useCallback<Start>(
    async (incidentId, name) => {
      try {
        const incident = await api.get<Incident>(`/incidents/${incidentId}`);
        const action = incident.actions.find((each) => each.action === name);
        if (!action) {
          void message.warning(t('action.unavailable', { action: word('action', name), state: word('state', incident.state, incident.state_name) }));
          return;
        }
        const next = { incident, action };
        if (action.needs_reason || action.needs_unit || action.needs_result) setAsked(next);
        else await submit(next, {});
      } catch (error) {
        void message.error(errorText(error));
      }
    },
    [errorText, message, submit, t, word],
  );

  return (
    <ActionsContext value={start}>
      {children}
      {asked && <ActionDialog asked={asked} busy={busy} onCancel={() => setAsked(null)} onSubmit={(fields) => void submit(asked, fields)} />}
    </ActionsContext>
  );
}

interface DialogProps {
  asked: Asked;
  busy: boolean;
  onCancel: () => void;
  onSubmit: (fields: Fields) => void;
}

/** Asks for what one step needs. */
function ActionDialog({ asked: { incident, action }, busy, onCancel, onSubmit }: DialogProps) {
  const { t, word } = useTexts();
  const [form] = Form.useForm<Fields>();
  const label = word('action', action.action, action.name);
  return (
    <Modal
      open
      title={`${label} · ${incident.number}`}
      okText={label}
      okButtonProps={{ 'data-testid': 'confirm', danger: action.action === 'dismiss' }}
      confirmLoading={busy}
      onCancel={onCancel}
      onOk={() => form.submit()}
    >
      <p className="muted dialog-what">{incident.title}</p>
      <Form form={form} layout="vertical" onFinish={onSubmit}>
        {action.needs_unit && (
          <Form.Item name="unit_id" label={t('action.unit')} rules={[{ required: true, message: t('action.unit.missing') }]}>
            <UnitSelect />
          </Form.Item>
        )}
        {action.needs_result && (
          <Form.Item name="result" label={t('action.result')} rules={[{ required: true, whitespace: true, message: t('action.result.missing') }]}>
            <Input.TextArea rows={3} maxLength={1000} showCount data-testid="result-input" />
          </Form.Item>
        )}
        {action.needs_reason && (
          <Form.Item name="reason" label={t(action.action === 'note' ? 'action.note.text' : 'action.reason')} rules={[{ required: true, whitespace: true, message: t('action.reason.missing') }]}>
            <Input.TextArea rows={3} maxLength={500} showCount autoFocus data-testid="reason-input" />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
