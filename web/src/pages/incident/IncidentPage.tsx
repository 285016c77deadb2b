import { LeftOutlined } from '@ant-design/icons';
import { Image, Select, Skeleton } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link, useParams } from 'react-router';
import { useGet } from '../../api/hooks';
import type { Incident, Warning } from '../../api/types';
import { useTexts } from '../../i18n';
import { useKeys } from '../../lib/keys';
import { figure } from '../../lib/figures';
import { drawable } from '../../lib/place';
import { showTime } from '../../lib/time';
import { ActionButtons } from '../../ui/ActionButtons';
import { useAction } from '../../ui/actions';
import { Due } from '../../ui/due';
import { LevelMark } from '../../ui/level';
import { useMetricName } from '../../ui/names';
import { Panel } from '../../ui/Page';
import { ReadingsChart } from '../../ui/ReadingsChart';
import { useCategoryName } from '../../ui/selects';
import { Answered, Nothing } from '../../ui/states';
import { Advice, WarningExplanation } from './Advice';
import { Candidates, Merges } from './Candidates';
import { Reports } from './Reports';
import { Requests } from './Requests';
import { Stages } from './Stages';
import { Tasks } from './Tasks';
import { Timeline } from './Timeline';

const PlaceMap = lazy(() => import('../../map/PlaceMap'));

export default function IncidentPage() {
  const { id = '' } = useParams();
  const answer = useGet<Incident>(`/incidents/${encodeURIComponent(id)}`);
  return (
    <div className="page incident">
      <Answered answer={answer} rows={12}>
        {(incident) => <IncidentBody incident={incident} />}
      </Answered>
    </div>
  );
}

function IncidentBody({ incident }: { incident: Incident }) {
  const { t } = useTexts();
  const start = useAction();
  useKeys({ a: () => void start(incident.id, 'accept'), d: () => void start(incident.id, 'dispatch') });
  return (
    <>
      <Head incident={incident} />
      <Stages incident={incident} />
      <div className="incident-grid">
        <div className="incident-main">
          <Panel title={t('incident.timeline')}>
            <Timeline entries={incident.timeline} />
          </Panel>
        </div>
        <div className="incident-evidence">
          <WarningPanel warnings={incident.warnings} />
          <div className="incident-pair">
            <PlacePanel incident={incident} />
            <PhotoPanel incident={incident} />
          </div>
          {incident.state === 'new' && <Advice incident={incident} />}
          <Candidates incident={incident} />
          <Merges incident={incident} />
          <Tasks incident={incident} />
          <Requests incident={incident} />
          <Reports reports={incident.reports} />
        </div>
      </div>
    </>
  );
}

function Head({ incident }: { incident: Incident }) {
  const { t, word } = useTexts();
  const categoryName = useCategoryName();
  const ended = ['closed', 'dismissed', 'merged'].includes(incident.state);
  const facts: [string, string | null][] = [
    [t('field.category'), categoryName(incident.category, incident.category_name)],
    [t('field.division'), incident.division_name],
    [t('field.desk'), incident.desk_name],
    [t('field.unit'), incident.unit_name ?? t('incident.no_unit')],
    [t('field.assignee'), incident.assignee_name],
    [t('field.source'), word('source', incident.source)],
    [t('field.opened'), showTime(incident.opened_at)],
    [t('field.close_by'), incident.close_by && !ended ? showTime(incident.close_by) : null],
  ];
  return (
    <header className="incident-head">
      <div className="incident-title">
        <Link to="/incidents" className="back" aria-label={t('incident.back')}>
          <LeftOutlined /> <span className="num">{incident.number}</span>
        </Link>
        <h1>
          <LevelMark level={incident.grade} of="incident" long />
          <span>{incident.title}</span>
          <span className={`state state-${incident.state}`} data-testid="incident-state">
            {word('state', incident.state, incident.state_name)}
          </span>
          {incident.reopened > 0 && <em className="escalated">{t('incident.reopened', { count: incident.reopened })}</em>}
          {incident.returns > 0 && !ended && <em className="escalated">{t('incident.returns', { count: incident.returns })}</em>}
          {incident.escalation > 0 && !ended && <em className="escalated">{t('incident.escalated', { level: incident.escalation })}</em>}
        </h1>
        {incident.merged_into && (
          <p>
            <Link to={`/incidents/${incident.merged_into}`}>{t('incident.merged_into')}</Link>
          </p>
        )}
        {incident.repeat_of && (
          <p>
            <Link to={`/incidents/${incident.repeat_of}`}>{t('incident.repeat_of')}</Link>
          </p>
        )}
        {incident.description && <p className="incident-text">{incident.description}</p>}
        <dl className="facts">
          {facts.map(([name, value]) =>
            value ? (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ) : null,
          )}
        </dl>
      </div>
      <div className="incident-next">
        {!ended && (
          <div className="incident-due">
            <small>{word('due', incident.state, t('due.deadline'))}</small>
            <Due at={incident.due_at} overdue={incident.overdue} />
          </div>
        )}
        <ActionButtons incident={incident} />
        {incident.actions.length === 0 && !ended && <small className="muted">{t('incident.no_action')}</small>}
      </div>
    </header>
  );
}

function WarningPanel({ warnings }: { warnings: Warning[] }) {
  const { t, word } = useTexts();
  const metricName = useMetricName();
  const [chosen, setChosen] = useState(0);
  const warning = warnings[chosen] ?? warnings[0];
  const window_ = useMemo(() => {
    if (!warning) return null;
    const opened = Date.parse(warning.opened_at);
    const ended = warning.cleared_at ? Date.parse(warning.cleared_at) : null;
    return {
      from: new Date(opened - 2 * 3_600_000).toISOString(),
      to: ended ? new Date(ended + 3_600_000).toISOString() : undefined,
    };
  }, [warning]);
  if (!warning) return null;
  return (
    <Panel
      title={t('incident.warnings', { count: warnings.length })}
      extra={
        <span>
          <WarningExplanation key={warning.id} id={warning.id} />
          <span className={warning.state === 'open' ? 'pill pill-open' : 'pill'}>{word('warning.state', warning.state)}</span>
        </span>
      }
    >
      {warnings.length > 1 && (
        <Select
          className="warning-choice"
          value={chosen}
          onChange={setChosen}
          aria-label={t('incident.warnings', { count: warnings.length })}
          options={warnings.map((each, index) => ({
            value: index,
            label: (
              <span className="warning-option">
                <LevelMark level={each.level} /> {each.device_name} <span className="muted">{word('warning.state', each.state)}</span>
              </span>
            ),
          }))}
        />
      )}
      <div className="warning-line">
        <LevelMark level={warning.peak_level} long />
        <span>{warning.title}</span>
        <span className="muted">
          {metricName(warning.metric)} <b className="num">{figure(warning.value)}</b> {warning.unit} · {t('warning.threshold', { value: warning.threshold ?? '—' })}
        </span>
      </div>
      {warning.device_id && warning.metric ? (
        <ReadingsChart device={warning.device_id} metric={warning.metric} from={window_?.from} to={window_?.to} mark={warning.opened_at} live={warning.state === 'open'} height={230} />
      ) : (
        <Nothing text={t('chart.empty')} />
      )}
    </Panel>
  );
}

function PlacePanel({ incident }: { incident: Incident }) {
  const { t } = useTexts();
  return (
    <Panel title={t('field.place')} className="panel-flush">
      {drawable(incident.lon, incident.lat) ? (
        <Suspense fallback={<Skeleton active />}>
          <PlaceMap lon={incident.lon} lat={incident.lat} level={incident.grade} />
        </Suspense>
      ) : (
        <Nothing text={t('place.bad.hint')} />
      )}
      <p className="place-text">
        {incident.address ?? incident.division_name}{' '}
        {drawable(incident.lon, incident.lat) && (
          <span className="muted num">
            {incident.lon.toFixed(5)}, {incident.lat?.toFixed(5)}
          </span>
        )}
      </p>
    </Panel>
  );
}

function PhotoPanel({ incident }: { incident: Incident }) {
  const { t } = useTexts();
  return (
    <Panel title={t('incident.photos', { count: incident.photos.length })}>
      {incident.photos.length === 0 ? (
        <Nothing text={t('incident.photos.none')} />
      ) : (
        <Image.PreviewGroup>
          <div className="photos">
            {incident.photos.map((photo) => (
              <figure key={photo.id}>
                <Image src={`/api/photos/${photo.id}`} alt={t('incident.photo', { time: showTime(photo.at) })} width="100%" height={112} />
                <figcaption>{showTime(photo.at)}</figcaption>
              </figure>
            ))}
          </div>
        </Image.PreviewGroup>
      )}
    </Panel>
  );
}
