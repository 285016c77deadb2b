import { LinkOutlined, WarningOutlined } from '@ant-design/icons';
import { Tooltip } from 'antd';
import { useEffect, useRef, type ReactNode } from 'react';
import { Link } from 'react-router';
import type { IncidentFlat, Paged, Warning } from '../../api/types';
import { useTexts } from '../../i18n';
import { useNow } from '../../lib/clock';
import { showFullTime } from '../../lib/time';
import { drawable } from '../../lib/place';
import { Due } from '../../ui/due';
import { figure } from '../../lib/figures';
import { LevelMark } from '../../ui/level';
import { useMetricName } from '../../ui/names';
import { Answered, type Answer } from '../../ui/states';
import { isSelected, type Selection } from './selection';

interface ListProps<T> {
  answer: Answer<Paged<T>>;
  selection: Selection | null;
  onSelect: (selection: Selection) => void;
}

function Row({ selected, testId, onClick, children }: { selected: boolean; testId: string; onClick: () => void; children: ReactNode }) {
  const row = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: 'nearest' });
  }, [selected]);
  return (
    <li>
      <button ref={row} type="button" className={selected ? 'row selected' : 'row'} aria-current={selected} data-testid={testId} onClick={onClick}>
        {children}
      </button>
    </li>
  );
}

function BadPlace() {
  const { t } = useTexts();
  return (
    <Tooltip title={t('place.bad.hint')}>
      <span className="bad-place">
        <WarningOutlined /> {t('place.bad')}
      </span>
    </Tooltip>
  );
}

function Since({ at }: { at: string }) {
  const { t, span } = useTexts();
  const now = useNow();
  const passed = now - Date.parse(at);
  return (
    <time dateTime={at} title={showFullTime(at)}>
      {passed < 60_000 ? t('time.now') : t('time.ago', { span: span(passed) })}
    </time>
  );
}

export function WarningsPanel({ answer, selection, onSelect }: ListProps<Warning>) {
  const { t } = useTexts();
  const metricName = useMetricName();
  return (
    <aside className="side side-warnings" aria-label={t('situation.warnings')}>
      <h3>
        {t('situation.warnings')} <span className="count">{answer.data?.total ?? ''}</span>
      </h3>
      <Answered answer={answer} empty={(data) => data.items.length === 0} emptyText="situation.warnings.none" rows={10}>
        {(data) => (
          <ul className="rows">
            {data.items.map((warning) => (
              <Row key={warning.id} testId="warning-row" selected={isSelected(selection, 'warning', warning.id)} onClick={() => onSelect({ kind: 'warning', id: warning.id })}>
                <span className="row-top">
                  <LevelMark level={warning.level} />
                  <span className="row-title" title={warning.title}>{warning.device_name}</span>
                </span>
                <span className="row-meta">
                  <span>{warning.division_name ?? '—'}</span>
                  {warning.value !== null && (
                    <span className="num">
                      {metricName(warning.metric)} <b>{figure(warning.value)}</b> {warning.unit} {t(`warning.${warning.direction}`, { value: figure(warning.threshold) })}
                    </span>
                  )}
                  {!drawable(warning.lon, warning.lat) && <BadPlace />}
                  <span className="row-end">
                    {warning.incident_id && <LinkOutlined title={t('warning.has_incident')} />}
                    <Since at={warning.opened_at} />
                  </span>
                </span>
              </Row>
            ))}
          </ul>
        )}
      </Answered>
    </aside>
  );
}

export function IncidentsPanel({ answer, selection, onSelect }: ListProps<IncidentFlat>) {
  const { t, word } = useTexts();
  return (
    <aside className="side side-incidents" aria-label={t('situation.incidents')}>
      <h3>
        {t('situation.incidents')} <span className="count">{answer.data?.total ?? ''}</span>
        <Link to="/incidents">{t('situation.all')}</Link>
      </h3>
      <Answered answer={answer} empty={(data) => data.items.length === 0} emptyText="situation.incidents.none" rows={10}>
        {(data) => (
          <ul className="rows">
            {data.items.map((incident) => (
              <Row key={incident.id} testId="incident-row" selected={isSelected(selection, 'incident', incident.id)} onClick={() => onSelect({ kind: 'incident', id: incident.id })}>
                <span className="row-top">
                  <LevelMark level={incident.grade} of="incident" />
                  <span className="row-title row-title-two" title={incident.title}>{incident.title}</span>
                  <span className={`state state-${incident.state}`}>{word('state', incident.state, incident.state_name)}</span>
                </span>
                <span className="row-meta">
                  <span>{incident.division_name ?? '—'}</span>
                  <span className="row-unit">{incident.unit_name ?? t('incident.no_unit')}</span>
                  {!drawable(incident.lon, incident.lat) && <BadPlace />}
                  <span className="row-end">
                    <Due at={incident.due_at} overdue={incident.overdue} />
                  </span>
                </span>
              </Row>
            ))}
          </ul>
        )}
      </Answered>
    </aside>
  );
}
