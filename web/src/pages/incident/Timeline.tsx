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

/** Who did what, when and why; the newest first. */
export function Timeline({ entries }: { entries: TimelineEntry[] }) {
  const { t, word } = useTexts();
  if (entries.length === 0) return <Nothing text={t('state.empty')} />;
  const newestFirst = [...entries].sort((a, b) => b.seq - a.seq);
  return (
    <ol className="timeline" data-testid="timeline">
      {newestFirst.map((entry) => {
        const unit = entry.action === 'dispatch' ? entry.data.unit_name : null;
        const result = entry.data.result;
        return (
          <li key={entry.seq}>
            <i className={`who who-${entry.actor_kind}`} aria-hidden>
              {icons[entry.actor_kind] ?? <UserOutlined />}
            </i>
            <div>
              <p>
                <b>{word('action', entry.action, entry.action_name)}</b>
                {plain(unit) && <span className="timeline-unit">→ {unit}</span>}
                {entry.to_state && entry.to_state !== entry.from_state && (
                  <span className={`state state-${entry.to_state}`}>{word('state', entry.to_state)}</span>
                )}
              </p>
              {entry.reason && <blockquote>{entry.reason}</blockquote>}
              {plain(result) && <blockquote>{result}</blockquote>}
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
