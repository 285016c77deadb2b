import { DownOutlined, UpOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useState } from 'react';
import type { StreamEvent } from '../../api/types';
import { useLive } from '../../app/live';
import { useTexts } from '../../i18n';
import { cityTime } from '../../lib/time';
import type { Selection } from './selection';

const text = (value: unknown) => (typeof value === 'string' ? value : '');

function target(event: StreamEvent): Selection | null {
  const kind = event.type.split('.')[0];
  const id = text(event.data.id) || text(event.data[`${kind ?? ''}_id`]) || (event.subject ?? '');
  return (kind === 'warning' || kind === 'incident') && id ? { kind, id } : null;
}

/** The newest news, one line each. */
export function NewsFeed({ onSelect }: { onSelect: (selection: Selection) => void }) {
  const { t, word } = useTexts();
  const { feed } = useLive();
  const [open, setOpen] = useState(true);
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
            const what = text(event.data.title) || text(event.data.number) || text(event.data.device_name) || (event.subject ?? '');
            return (
              <li key={event.id}>
                <button type="button" disabled={!to} onClick={() => to && onSelect(to)}>
                  <time>{cityTime(event.time).format('HH:mm:ss')}</time>
                  <em className={`feed-${event.type.split('.')[0] ?? ''}`}>{word('news', event.type)}</em>
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
