import { App, Button, Input, Modal } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Incident, Task } from '../../api/types';
import { useTexts } from '../../i18n';
import { Due } from '../../ui/due';
import { Panel } from '../../ui/Page';

/** The units at work, when there are several: the one in the lead and those that assist. */
export function Tasks({ incident }: { incident: Incident }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [withdrawing, setWithdrawing] = useState<Pick<Task, 'id' | 'unit_name'> | null>(null);
  const [reason, setReason] = useState('');
  if (!incident.tasks.some(({ role }) => role === 'assist')) return null;
  const withdraw = async (task: Pick<Task, 'id'>) => {
    try {
      await api.post(`/tasks/${task.id}/actions/withdraw`, { reason });
      setWithdrawing(null);
      renew(['/incidents', '/tasks']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <Panel title={t('incident.joint')}>
      <ul className="merges">
        {incident.tasks.map((task) => (
          <li key={task.id} className={task.withdrawn_at ? 'merge-undone' : ''}>
            <span>
              <b>{t(`task.role.${task.role}`)}</b> {task.unit_name} <span className={`state state-${task.state}`}>{task.withdrawn_at ? task.state_name : word('state', task.state, task.state_name)}</span>
              {!task.withdrawn_at && ['dispatched', 'accepted'].includes(task.state) && <Due at={task.handle_by ?? task.accept_by} overdue={task.overdue} />}
              {task.result && <small className="muted"> {task.result}</small>}
            </span>
            {task.steps.includes('withdraw') && (
              <Button size="small" onClick={() => setWithdrawing(task)}>
                {t('task.withdraw')}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {withdrawing && (
        <Modal open title={`${t('task.withdraw')} · ${withdrawing.unit_name}`} onCancel={() => setWithdrawing(null)} onOk={() => void withdraw(withdrawing)} okButtonProps={{ disabled: !reason.trim() }}>
          <Input.TextArea rows={3} value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('action.reason')} maxLength={500} autoFocus />
        </Modal>
      )}
    </Panel>
  );
}
