import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { ApiError } from '../../api/client';
import type { Level, Situation } from '../../api/types';
import { useTexts } from '../../i18n';
import { LevelShape } from '../../ui/level';

function Figure({ value, label, tone, to }: { value: ReactNode; label: string; tone?: string | undefined; to?: string }) {
  const body = (
    <>
      <b className={tone}>{value}</b>
      <span>{label}</span>
    </>
  );
  return to ? (
    <Link className="figure" to={to}>
      {body}
    </Link>
  ) : (
    <div className="figure">{body}</div>
  );
}

/** The loop in one line: sensed, warned, handled, measured. */
export function Counters({ answer }: { answer: UseQueryResult<Situation, ApiError> }) {
  const { t, errorText } = useTexts();
  const counts = answer.data?.counts;
  if (!counts && answer.error) return <div className="counters counters-error">{errorText(answer.error)}</div>;
  const show = (value: number | undefined) => value ?? '–';
  const online = counts && counts.devices_total > 0 ? Math.round((counts.devices_online / counts.devices_total) * 100) : null;
  return (
    <div className="counters" aria-live="off">
      <section>
        <h2>{t('stage.sense')}</h2>
        <Figure value={<>{show(counts?.devices_online)}<small>/{show(counts?.devices_total)}</small></>} label={t('count.devices')} to="/devices" />
        {online !== null && <Figure value={<>{online}<small>%</small></>} label={t('count.online')} />}
      </section>
      <section className="counters-levels">
        <h2>{t('stage.warn')}</h2>
        {([1, 2, 3, 4] as Level[]).map((level) => (
          <div className="figure figure-level" key={level}>
            <b>
              <LevelShape level={level} size={15} hollow /> {counts?.open_warnings[level] ?? 0}
            </b>
            <span>{t(`level.long.${level}`)}</span>
          </div>
        ))}
      </section>
      <section>
        <h2>{t('stage.decide')}</h2>
        <Figure value={show(counts?.open_incidents)} label={t('count.open')} to="/incidents" />
        <Figure value={show(counts?.overdue)} label={t('count.overdue')} tone={counts?.overdue ? 'tone-over' : undefined} to="/incidents?overdue=1" />
      </section>
      <section>
        <h2>{t('stage.evaluate')}</h2>
        <Figure value={show(counts?.today_opened)} label={t('count.opened')} to="/evaluation" />
        <Figure value={show(counts?.today_closed)} label={t('count.closed')} to="/evaluation" />
      </section>
    </div>
  );
}
