import { useQueryClient } from '@tanstack/react-query';
import { App } from 'antd';
import { createContext, use, useCallback, useState, type ReactNode } from 'react';
import { api } from '../api/client';
import { apiKey, refresh } from '../api/hooks';
import type { Action, ActionBody, Incident } from '../api/types';
import { useTexts } from '../i18n';
import { ActionDialog } from './ActionDialog';

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

export function ActionsProvider({ children }: { children: ReactNode }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const send = useSendAction();
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = useCallback(
    async ({ incident, action }: Asked, fields: ActionBody) => {
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
        if (action.needs.length > 0) setAsked(next);
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
