import { DownOutlined, UpOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useState } from 'react';
import type { StreamEvent } from '../../api/types';
import { useLive } from '../../app/live';
import { useTexts } from '../../i18n';
import { cityTime } from '../../lib/time';
import type { Selection } from './selection';

const text = (value: unknown) => (typeof value === 'string' ? value : '');

/** What a line of news leads to; a task leads to its incident. */
function target(event: StreamEvent): Selection | null {
  const kind = event.type.split('.')[0];
  const id = kind === 'task' ? text(event.data.incident_id) : (event.subject ?? '');
  if (!id) return null;
  if (kind === 'warning') return { kind, id };
  return kind === 'incident' || kind === 'task' ? { kind: 'incident', id } : null;
}

/** The newest news, one line each. */
export function NewsFeed({ onSelect }: { onSelect: (selection: Selection) => void }) {
  const { t, word } = useTexts();
  const { feed } = useLive();
  const [open, setOpen] = useState(true);
  const newsOf = (event: StreamEvent) => {
    const state = text(event.data.state);
    return event.type === 'incident.changed' && state ? word('state', state) : word('news', event.type);
  };
  return (
    <section className="feed" aria-label={t('feed.title')}>
      <header>
        {t('feed.title')}
        <Button type="text" size="small" icon={open ? <DownOutlined /> : <UpOutlined />} aria-expanded={open} aria-label={t('feed.toggle')} onClick={() => setOpen(!open)} />
      </header>
      {open && (
        <ol>
          {feed.length === 0 && <li className="muted">{t('feed.empty')}</li>}
          {feed.slice(0, 6).map((event) => {
            const to = target(event);
            const what = text(event.data.title) || text(event.data.device_name) || (event.subject ?? '');
            return (
              <li key={event.id}>
                <button type="button" disabled={!to} onClick={() => to && onSelect(to)}>
                  <time>{cityTime(event.time).format('HH:mm:ss')}</time>
                  <em className={`feed-${event.type.split('.')[0] ?? ''}`}>{newsOf(event)}</em>
                  <span>{what}</span>
                </button>
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}
