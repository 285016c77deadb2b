import { useState } from 'react';
import { showTime } from '../lib/time';
import type { Record } from './records';
import { useTexts } from './texts';

/** The reports made on this phone, and the way to one that was made elsewhere. */
export function MinePage({ records }: { records: Record[] }) {
  const { t, lang } = useTexts();
  const [number, setNumber] = useState('');
  const [code, setCode] = useState('');
  const stateOf = ({ entry, sent }: Record) => {
    if (entry) return t(entry.problem ? 'refused.title' : 'queued.title');
    const matter = sent?.seen?.matter;
    return matter ? (lang === 'zh' ? matter.standing_name : matter.standing_name_en) : String(sent?.answer.tracking_number ?? '');
  };
  return (
    <>
      <h1>{t('mine')}</h1>
      {records.length === 0 && <p className="muted">{t('mine.none')}</p>}
      <ul className="records" data-testid="records">
        {records.map((record) => (
          <li key={record.key}>
            <a href={`#${record.key}`} data-testid="record">
              <b>{record.title}</b>
              <span>
                <span className={record.entry?.problem ? 'tone-over' : ''}>{stateOf(record)}</span> <time className="num muted">{showTime(record.at)}</time>
              </span>
            </a>
          </li>
        ))}
      </ul>
      {records.length > 0 && <p className="muted">{t('mine.note')}</p>}
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          window.location.hash = `${number.trim()}/${code.trim().toUpperCase()}`;
        }}
      >
        <h2>{t('find')}</h2>
        <label>
          {t('number')}
          <input value={number} onChange={(event) => setNumber(event.target.value)} required autoCapitalize="characters" autoComplete="off" data-testid="find-number" />
        </label>
        <label>
          {t('code')}
          <input value={code} onChange={(event) => setCode(event.target.value)} required autoCapitalize="characters" autoComplete="off" data-testid="find-code" />
        </label>
        <button type="submit" data-testid="find">
          {t('find.submit')}
        </button>
      </form>
      <a className="button" href="#">
        {t('new')}
      </a>
    </>
  );
}
