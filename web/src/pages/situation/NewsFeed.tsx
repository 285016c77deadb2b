import { DownOutlined, UpOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useMemo, useState } from 'react';
import type { IncidentFlat, StreamEvent, Warning } from '../../api/types';
import { useLive } from '../../app/live';
import { useTexts } from '../../i18n';
import { cityTime } from '../../lib/time';
import type { Selection } from './selection';

const LINES = 4;

const text = (value: unknown) => (typeof value === 'string' ? value : '');

/** What a line of news leads to; a task leads to its incident. */
function target(event: StreamEvent): Selection | null {
  const kind = event.type.split('.')[0];
  const id = kind === 'task' ? text(event.data.incident_id) : (event.subject ?? '');
  if (!id) return null;
  if (kind === 'warning') return { kind, id };
  return kind === 'incident' || kind === 'task' ? { kind: 'incident', id } : null;
}

/** What the lists already tell, as news: so that the feed is not empty until something happens. */
function toldBy(warnings: Warning[], incidents: IncidentFlat[]): StreamEvent[] {
  const news = (type: string, { id, title, opened_at: time }: Warning | IncidentFlat): StreamEvent => ({
    id: `${type}:${id}`,
    type,
    subject: id,
    division_code: null,
    unit_id: null,
    time,
    data: { title },
  });
  return [
    ...warnings.map((warning) => news('warning.opened', warning)),
    ...incidents.map((incident) => news('incident.opened', incident)),
  ];
}

interface Props {
  warnings: Warning[];
  incidents: IncidentFlat[];
  onSelect: (selection: Selection) => void;
}

/** The newest news, one line each. */
export function NewsFeed({ warnings, incidents, onSelect }: Props) {
  const { t, word } = useTexts();
  const { feed } = useLive();
  const [open, setOpen] = useState(true);
  const news = useMemo(() => {
    const known = new Set(feed.map(({ type, subject }) => `${type}:${subject ?? ''}`));
    const told = toldBy(warnings, incidents).filter(({ id }) => !known.has(id));
    return [...feed, ...told].sort((a, b) => b.time.localeCompare(a.time)).slice(0, LINES);
  }, [feed, warnings, incidents]);
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
          {news.length === 0 && <li className="muted">{t('feed.empty')}</li>}
          {news.map((event) => {
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
