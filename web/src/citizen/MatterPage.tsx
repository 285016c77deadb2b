import { useCallback, useEffect, useState } from 'react';
import { ApiError } from '../api/client';
import { cityTime, showTime } from '../lib/time';
import { drop, type Entry } from '../offline/outbox';
import { sendNow } from '../offline/sender';
import { readMatter, type Matter } from './api';
import { keepDraft, draftOf } from './draft';
import { RatingForm } from './RatingForm';
import { forget, remember, type Record } from './records';
import { useTexts } from './texts';

/** One matter: waiting on this phone, or as the platform tells it. `at`: the key of a record, or number/code. */
export function MatterPage({ at, records }: { at: string; records: Record[] }) {
  const record = records.find(({ key }) => key === at);
  const [number, code] = at.split('/');
  if (record?.entry) return <Waiting entry={record.entry} />;
  if (record?.sent) {
    const { tracking_number: known, code: secret } = record.sent.answer;
    return <Told key={at} number={String(known)} code={String(secret)} record={record} />;
  }
  return number && code ? <Told number={number} code={code} /> : null;
}

function Waiting({ entry }: { entry: Entry }) {
  const { t, lang } = useTexts();
  const edit = async () => {
    await keepDraft(draftOf(entry));
    await drop(entry);
    window.location.hash = '';
  };
  if (entry.problem) {
    return (
      <section className="card" data-testid="refused">
        <h1 className="tone-over">{t('refused.title')}</h1>
        <p role="alert">{entry.problem[lang]}</p>
        <blockquote>{entry.title}</blockquote>
        <button type="button" className="primary" onClick={() => void edit()}>
          {t('refused.edit')}
        </button>
        <button type="button" onClick={() => void drop(entry).then(() => (window.location.hash = 'mine'))}>
          {t('refused.drop')}
        </button>
      </section>
    );
  }
  return (
    <section className="card" data-testid="queued" role="status">
      <h1>{t('queued.title')}</h1>
      <p>{t('queued')}</p>
      <blockquote>{entry.title}</blockquote>
      <button type="button" onClick={sendNow}>
        {t('queued.now')}
      </button>
    </section>
  );
}

function Told({ number, code, record }: { number: string; code: string; record?: Record }) {
  const { t, lang } = useTexts();
  const [matter, setMatter] = useState<Matter | null>(record?.sent?.seen?.matter ?? null);
  const [asOf, setAsOf] = useState<number | null>(record?.sent?.seen?.at ?? null);
  const [error, setError] = useState<ApiError | null>(null);
  const sent = record?.sent;

  const take = useCallback(
    (found: Matter) => {
      setMatter(found);
      setAsOf(null);
      setError(null);
      if (sent) void remember({ ...sent, seen: { matter: found, at: Date.now() } });
    },
    // The record changes with each look at it: only its key says which it is.
    [sent?.key],
  );
  const read = useCallback(
    () => readMatter(number, code).then(take, (cause: unknown) => cause instanceof ApiError && setError(cause)),
    [number, code, take],
  );
  useEffect(() => {
    void read();
    const timer = window.setInterval(() => void read(), 30_000);
    window.addEventListener('online', read);
    return () => {
      window.clearInterval(timer);
      window.removeEventListener('online', read);
    };
  }, [read]);

  const away = error?.status === 0 && matter;
  return (
    <>
      {away && asOf !== null && (
        <p className="notice" role="status">
          {t('asof', { time: showTime(asOf) })}
        </p>
      )}
      {error && !away && (
        <p className="notice tone-over" role="alert" data-testid="matter-error">
          {error.text(lang)}
        </p>
      )}
      <Slip number={number} code={code} />
      {matter && <MatterCard matter={matter} title={record?.title} number={number} code={code} onRated={take} />}
      <button type="button" onClick={() => void read()}>
        {t('renew')}
      </button>
      {record && (
        <button type="button" className="quiet" onClick={() => window.confirm(t('forget.sure')) && void forget(record.key).then(() => (window.location.hash = 'mine'))}>
          {t('forget')}
        </button>
      )}
    </>
  );
}

/** Number and code, to be written down. */
function Slip({ number, code }: { number: string; code: string }) {
  const { t } = useTexts();
  const [copied, setCopied] = useState(false);
  return (
    <section className="slip" data-testid="slip">
      <dl>
        <div>
          <dt>{t('number')}</dt>
          <dd data-testid="tracking-number">{number}</dd>
        </div>
        <div>
          <dt>{t('code')}</dt>
          <dd data-testid="tracking-code">{code}</dd>
        </div>
      </dl>
      {'clipboard' in navigator && (
        <button type="button" onClick={() => void navigator.clipboard.writeText(`${t('number')} ${number} ${t('code')} ${code}`).then(() => setCopied(true))}>
          {t(copied ? 'copied' : 'copy')}
        </button>
      )}
      <p className="muted">{t('number.keep')}</p>
    </section>
  );
}

function MatterCard({ matter, title, number, code, onRated }: { matter: Matter; title: string | undefined; number: string; code: string; onRated: (matter: Matter) => void }) {
  const { t, lang } = useTexts();
  const due = matter.due_at && cityTime(matter.due_at).format('YYYY-MM-DD HH:mm');
  return (
    <section className="card matter">
      <h1 data-testid="matter-state">{lang === 'zh' ? matter.standing_name : matter.standing_name_en}</h1>
      <p className={matter.overdue ? 'tone-over' : ''} data-testid="matter-note">
        {lang === 'zh' ? matter.note : matter.note_en}
      </p>
      {title && <p className="matter-words">{title}</p>}
      <p>
        {t('state.unit')} <b data-testid="matter-unit">{matter.unit_name ?? t('state.unit.none')}</b>
      </p>
      {due && (
        <p data-testid="matter-due">
          {t('state.due')} <b className={matter.overdue ? 'num tone-over' : 'num'}>{due}</b> {matter.overdue && <b className="tone-over">{t('state.overdue')}</b>}
        </p>
      )}
      {matter.others > 0 && <p data-testid="matter-others">{t('state.others', { n: matter.others })}</p>}
      {matter.answer && (
        <div className="answer" data-testid="matter-answer">
          <h2>{t('state.answer')}</h2>
          <p>{matter.answer}</p>
          <p className="muted num">{t('state.answered', { time: showTime(matter.answered_at) })}</p>
        </div>
      )}
      {matter.satisfaction !== null && (
        <p data-testid="rated">
          {t('rate.done', { n: matter.satisfaction })} {matter.reopened && t('rate.reopened')}
        </p>
      )}
      {matter.can_rate && matter.satisfaction === null && <RatingForm number={number} code={code} onRated={onRated} />}
      <h2>{t('state.steps')}</h2>
      <ol className="steps" data-testid="matter-steps">
        {matter.steps.map((step) => (
          <li key={`${step.at} ${step.name}`}>
            <time className="num" dateTime={step.at}>
              {showTime(step.at)}
            </time>
            <span>
              <b>{lang === 'zh' ? step.name : step.name_en}</b> {step.unit_name}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
