import { Alert, Button, Popconfirm } from 'antd';
import { useGet } from '../api/hooks';
import type { Incident } from '../api/types';
import { useSession } from '../app/session';
import { useTexts } from '../i18n';
import { showTime } from '../lib/time';
import { again, drop, type Entry } from './outbox';
import { sendNow } from './sender';
import { useOutbox } from './useOutbox';

/** What waits to be sent, and what was refused and needs a decision of the person who did it. */
export function OutboxList() {
  const { t } = useTexts();
  const { me } = useSession();
  const all = useOutbox(me.id);
  const waiting = all.filter(({ problem }) => !problem);
  return (
    <div className="outbox">
      {all.filter(({ problem }) => problem).map((entry) => (
        <Stopped key={entry.seq} entry={entry} following={all.filter(({ lane, seq }) => lane === entry.lane && seq > entry.seq).length} />
      ))}
      {waiting.length > 0 && (
        <details data-testid="outbox">
          <summary>{t('outbox.count', { count: waiting.length })}</summary>
          <ul>
            {waiting.map((entry) => (
              <li key={entry.seq}>
                <span>
                  {entry.action} · {entry.title} <small className="muted num">{showTime(entry.at)}</small>
                </span>
                {!entry.tried && (
                  <Button size="small" onClick={() => void drop(entry)}>
                    {t('outbox.undo')}
                  </Button>
                )}
              </li>
            ))}
          </ul>
          <Button onClick={sendNow}>{t('outbox.send')}</Button>
        </details>
      )}
    </div>
  );
}

const wordsOf = ({ body }: Entry) => [body.result, body.reason, body.content].find((text) => typeof text === 'string' && text !== '') as string | undefined;

/** One refused step: what was meant, what has happened meanwhile, and what can be done now. */
function Stopped({ entry, following }: { entry: Entry; following: number }) {
  const { t, lang } = useTexts();
  const ofIncident = entry.path.startsWith('/incidents/') || entry.path.startsWith('/tasks/');
  const { data: incident } = useGet<Incident>(ofIncident ? `/incidents/${entry.lane}` : null);
  const seen = typeof entry.body.version === 'number' ? entry.body.version : null;
  const since = incident?.timeline.filter(({ seq, at }) => (seen === null ? at > entry.at : seq > seen)) ?? [];
  const words = wordsOf(entry);
  const send = (change: Parameters<typeof again>[1]) => void again(entry, change).then(sendNow);
  const now = entry.versioned && incident ? { version: incident.version } : {};
  const asNote = () =>
    send({
      path: `/incidents/${entry.lane}/actions/note`,
      action: t('step.name.note'),
      body: { version: incident?.version, reason: `${entry.action}：${words ?? ''}`, photo_ids: entry.body.photo_ids ?? [] },
    });
  return (
    <Alert
      type="error"
      data-testid="stopped"
      title={t('outbox.refused', { action: entry.action, title: entry.title })}
      description={
        <>
          <p data-testid="stopped-why">{entry.problem?.[lang]}</p>
          {since.length > 0 && (
            <>
              <p className="muted">{t('outbox.meanwhile')}</p>
              <ol>
                {since.map((each) => (
                  <li key={each.seq}>
                    <span className="num">{showTime(each.at)}</span> {each.actor_name} <b>{lang === 'zh' ? each.action_name : each.action_name_en}</b> {each.reason}
                  </li>
                ))}
              </ol>
            </>
          )}
          {words && <blockquote>{words}</blockquote>}
          {following > 0 && <p className="muted">{t('outbox.following', { count: following })}</p>}
          <div className="outbox-choices">
            <Button type="primary" onClick={() => send({ body: { ...entry.body, ...now } })} data-testid="stopped-again">
              {t('outbox.again')}
            </Button>
            {incident && words && !entry.path.endsWith('/note') && (
              <Button onClick={asNote} data-testid="stopped-note">
                {t('outbox.as_note')}
              </Button>
            )}
            <Popconfirm title={t('outbox.drop.sure')} onConfirm={() => void drop(entry).then(sendNow)} okButtonProps={{ 'data-testid': 'stopped-drop-sure' }}>
              <Button danger data-testid="stopped-drop">
                {t('outbox.drop')}
              </Button>
            </Popconfirm>
          </div>
        </>
      }
    />
  );
}
