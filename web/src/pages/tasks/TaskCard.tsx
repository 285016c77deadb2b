import { EnvironmentOutlined } from '@ant-design/icons';
import { Button, Dropdown } from 'antd';
import { Link } from 'react-router';
import type { Task } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import type { Entry } from '../../offline/outbox';
import { Due } from '../../ui/due';
import { LevelMark } from '../../ui/level';
import { projected, type Step } from './projected';

/** The deadline that runs now: to accept, then to handle. */
const dueOf = (task: Task) => (task.accepted_at ? task.handle_by : task.accept_by);
const first: readonly Step[] = ['accept', 'handle', 'resume', 'return'];

export function TaskCard({ task, outbox, onStep }: { task: Task; outbox: Entry[]; onStep: (step: Step) => void }) {
  const { t, word } = useTexts();
  const { state, steps, waiting } = projected(task, outbox);
  const { incident } = task;
  const open = !task.handled_at && !task.returned_at && !task.withdrawn_at;
  const shown = first.filter((step) => steps.includes(step)).reverse();
  const more = steps.filter((step) => !first.includes(step));
  return (
    <li className="task-card" data-testid="task-card">
      <header>
        <LevelMark level={incident.grade} of="incident" long />
        <span className="num muted">{incident.number}</span>
        <span className="row-end">
          {!open && <span className="muted num">{showTime(task.handled_at ?? task.returned_at ?? task.withdrawn_at)}</span>}
          {open && steps.length > 0 && <Due at={dueOf(task)} overdue={task.overdue} />}
        </span>
      </header>
      <Link to={`/incidents/${task.incident_id}`} className="task-title">
        {incident.title}
      </Link>
      {incident.description && incident.description !== incident.title && <p className="task-text">{incident.description}</p>}
      <p className="task-place">
        <EnvironmentOutlined /> {[incident.division_name, incident.address].filter(Boolean).join(' ') || '—'}
      </p>
      <p className="task-meta">
        <span className={`state state-${state}`}>{word('task', state, task.state_name)}</span>
        {task.role === 'assist' && <span className="state">{t('task.assist')}</span>} {incident.category_name} · {t('task.since', { time: showTime(task.dispatched_at) })}
      </p>
      {task.return_reason && <blockquote>{task.return_reason}</blockquote>}
      {waiting.map((entry) => (
        <p key={entry.seq} className={entry.problem ? 'task-waits tone-over' : 'task-waits'} data-testid="task-waits">
          {t(entry.problem ? 'task.refused' : 'task.waits', { action: entry.action })}
        </p>
      ))}
      {steps.length > 0 && (
        <footer>
          {shown.map((step) => (
            <Button key={step} size="large" type={step === 'return' ? 'default' : 'primary'} onClick={() => onStep(step)} data-testid={`action-${step}`}>
              {t(`step.name.${step}`)}
            </Button>
          ))}
          {more.length > 0 && (
            <Dropdown trigger={['click']} menu={{ items: more.map((step) => ({ key: step, label: t(`step.name.${step}`), 'data-testid': `action-${step}` })), onClick: ({ key }) => onStep(key as Step) }}>
              <Button size="large" className="task-more" aria-label={t('task.more')} data-testid="task-more">
                …
              </Button>
            </Dropdown>
          )}
        </footer>
      )}
    </li>
  );
}
