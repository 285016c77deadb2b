import { EnvironmentOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import type { Task } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useAction } from '../../ui/actions';
import { Due } from '../../ui/due';
import { LevelMark } from '../../ui/level';

/** The deadline that runs now: to accept, then to handle. */
const dueOf = (task: Task) => (task.accepted_at ? task.handle_by : task.accept_by);

export function TaskCard({ task, onHandle }: { task: Task; onHandle: () => void }) {
  const { t, word } = useTexts();
  const start = useAction();
  const [busy, setBusy] = useState('');
  const incident = task.incident;
  const press = async (action: string) => {
    if (action === 'handle') {
      onHandle();
      return;
    }
    setBusy(action);
    await start(task.incident_id, action);
    setBusy('');
  };
  const open = !task.handled_at && !task.returned_at;
  const actions = [...(task.actions ?? [])].sort((a, b) => Number(a.primary) - Number(b.primary));
  return (
    <li className="task-card" data-testid="task-card">
      <header>
        {incident && <LevelMark level={incident.grade} of="incident" long />}
        <span className="num muted">{incident?.number}</span>
        <span className="row-end">
          {open ? <Due at={dueOf(task)} overdue={task.overdue} /> : <span className="muted num">{showTime(task.handled_at ?? task.returned_at)}</span>}
        </span>
      </header>
      <Link to={`/incidents/${task.incident_id}`} className="task-title">
        {incident?.title ?? task.incident_id}
      </Link>
      <p className="task-place">
        <EnvironmentOutlined /> {[incident?.division_name, incident?.address].filter(Boolean).join(' ') || '—'}
      </p>
      <p className="task-meta">
        <span className={`state state-${task.state}`}>{word('task', task.state)}</span> {incident?.category_name} · {t('task.since', { time: showTime(task.dispatched_at) })}
      </p>
      {task.return_reason && <blockquote>{task.return_reason}</blockquote>}
      {actions.length > 0 && (
        <footer>
          {actions.map(({ action, name, primary }) => (
            <Button key={action} size="large" type={primary ? 'primary' : 'default'} loading={busy === action} onClick={() => void press(action)} data-testid={`action-${action}`}>
              {word('action', action, name)}
            </Button>
          ))}
        </footer>
      )}
    </li>
  );
}
