import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { Badge, Button } from 'antd';
import { useEffect } from 'react';
import { useNavigate } from 'react-router';
import { apiKey, refresh } from '../api/hooks';
import type { Incident, Paged, Task } from '../api/types';
import { useSession } from '../app/session';
import { useTexts } from '../i18n';
import { cityTime } from '../lib/time';
import { answersFor, useAnsweredAt } from './answers';
import { listen } from './outbox';
import { installWorker, startSending } from './sender';
import { useOnline, useOutbox } from './useOutbox';

const touched = ['/tasks', '/incidents', '/reports', '/requests'];

/** Puts what the platform answered to a step where the pages read it, so that no card falls back for a moment. */
function showAnswer(client: QueryClient, answer: Record<string, unknown>): void {
  if (!Array.isArray(answer.tasks)) return;
  const after = answer as unknown as Incident;
  client.setQueryData(apiKey(`/incidents/${after.id}`), after);
  client.setQueriesData<Paged<Task>>({ queryKey: ['api', '/tasks/mine'] }, (before) => {
    if (!before) return before;
    const items = before.items.map((task): Task => {
      const now = after.tasks.find(({ id }) => id === task.id);
      return now ? { ...task, ...now, incident: { ...task.incident, version: after.version }, actions: now.role === 'lead' ? after.actions : [] } : task;
    });
    return { ...before, items };
  });
}

/** Sends what waits on this phone while the console is open, and says where the page stands without a network. */
export function Sending() {
  const { t } = useTexts();
  const { me, has } = useSession();
  const client = useQueryClient();
  const online = useOnline();
  const answeredAt = useAnsweredAt();
  const inTheStreet = has('handler');

  useEffect(() => {
    if (inTheStreet) installWorker('/');
    const renew = () => void client.invalidateQueries();
    void answersFor(me.id).then((gone) => (gone ? renew() : refresh(client, ['/session'])));
    const stopListening = listen((news) => {
      if (news.kind === 'sent') {
        showAnswer(client, news.answer);
        refresh(client, touched);
      }
      if (news.kind === 'signin') void client.resetQueries({ queryKey: apiKey('/session') });
    });
    const stopSending = startSending();
    window.addEventListener('online', renew);
    // What was asked for before the service worker took over is asked for again, so that the answers are kept.
    const controlled = () => void client.cancelQueries().then(renew);
    navigator.serviceWorker?.addEventListener('controllerchange', controlled);
    return () => {
      stopListening();
      stopSending();
      window.removeEventListener('online', renew);
      navigator.serviceWorker?.removeEventListener('controllerchange', controlled);
    };
  }, [client, inTheStreet, me.id]);

  if (online && answeredAt === null) return null;
  return (
    <p className="offline-bar" role="status" data-testid="offline-bar">
      {t('offline.title')}
      {answeredAt !== null && ` · ${t('offline.as_of', { time: cityTime(answeredAt).format('HH:mm') })}`}
    </p>
  );
}

/** How much waits to be sent; red where something needs a decision. */
export function WaitingBadge() {
  const { t } = useTexts();
  const { me } = useSession();
  const navigate = useNavigate();
  const waiting = useOutbox(me.id);
  const stopped = waiting.some(({ problem }) => problem);
  const count = waiting.length;
  useEffect(() => {
    const app = navigator as Navigator & { setAppBadge?: (count: number) => Promise<void> };
    void app.setAppBadge?.(count).catch(() => undefined);
  }, [count]);
  if (count === 0) return null;
  return (
    <Button type="text" className="waiting" data-testid="waiting" onClick={() => void navigate('/tasks')}>
      {t(stopped ? 'outbox.stopped' : 'outbox.waiting')} <Badge count={count} color={stopped ? 'var(--red)' : 'var(--accent)'} size="small" />
    </Button>
  );
}
