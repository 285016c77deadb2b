import { CloudServerOutlined, RobotOutlined, UserOutlined } from '@ant-design/icons';
import type { ReactNode } from 'react';
import type { TimelineEntry } from '../../api/types';
import { useTexts } from '../../i18n';
import { cityTime, showFullTime } from '../../lib/time';
import { Nothing } from '../../ui/states';

const icons: Record<string, ReactNode> = {
  system: <CloudServerOutlined />,
  machine: <CloudServerOutlined />,
  agent: <RobotOutlined />,
};

const plain = (value: unknown): value is string | number => typeof value === 'string' || typeof value === 'number';

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Who did what, when and why; the newest first. */
export function Timeline({ entries }: { entries: TimelineEntry[] }) {
  const { t, word } = useTexts();
  if (entries.length === 0) return <Nothing text={t('state.empty')} />;
  const newestFirst = [...entries].sort((a, b) => b.seq - a.seq);
  return (
    <ol className="timeline" data-testid="timeline">
      {newestFirst.map((entry) => {
        const { data } = entry;
        const dispatched = entry.action === 'dispatch' || entry.action === 'settle';
        const went = [dispatched && data.unit_name, entry.action === 'recategorise' && data.category_name, data.desk_name !== undefined && entry.action.startsWith('hand_') && data.desk_name].find(Boolean);
        const lines = [data.result, ...list(data.routing), ...list(data.reasons)].filter(plain);
        return (
          <li key={entry.seq}>
            <i className={`who who-${entry.actor_kind}`} aria-hidden>
              {icons[entry.actor_kind] ?? <UserOutlined />}
            </i>
            <div>
              <p>
                <b>{word('action', entry.action, entry.action_name)}</b>
                {plain(went) && <span className="timeline-unit">→ {went}</span>}
                {list(data.assist_unit_names).length > 0 && <span className="muted">{t('timeline.assist', { units: list(data.assist_unit_names).join('、') })}</span>}
                {entry.to_state && entry.to_state !== entry.from_state && (
                  <span className={`state state-${entry.to_state}`}>{word('state', entry.to_state)}</span>
                )}
              </p>
              {entry.reason && <blockquote>{entry.reason}</blockquote>}
              {lines.map((line) => (
                <blockquote key={line}>{line}</blockquote>
              ))}
              <small>
                {entry.actor_kind === 'system' ? t('actor.system') : entry.actor_name} · <time title={showFullTime(entry.at)}>{cityTime(entry.at).format('MM-DD HH:mm:ss')}</time>
              </small>
            </div>
          </li>
        );
      })}
    </ol>
  );
}
