import type { UseQueryResult } from '@tanstack/react-query';
import { ArrowRightOutlined, CloseOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { Link } from 'react-router';
import type { ApiError } from '../../api/client';
import type { Incident, Warning } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { ActionButtons } from '../../ui/ActionButtons';
import { figure } from '../../lib/figures';
import { Due } from '../../ui/due';
import { LevelMark } from '../../ui/level';
import { useMetricName } from '../../ui/names';
import { ReadingsChart } from '../../ui/ReadingsChart';
import { Answered } from '../../ui/states';
import type { Selection } from './selection';

interface Props {
  selection: Selection;
  answer: UseQueryResult<Warning | Incident, ApiError>;
  onClose: () => void;
  onSelect: (selection: Selection) => void;
}

/** What is selected, close to the map: enough to decide whether to open it. */
export function SelectionCard({ selection, answer, onClose, onSelect }: Props) {
  const { t } = useTexts();
  return (
    <article className="selection" data-testid="selection">
      <Button type="text" size="small" icon={<CloseOutlined />} className="selection-close" aria-label={t('close')} onClick={onClose} />
      <Answered answer={answer} rows={3}>
        {(data) =>
          selection.kind === 'warning' && 'peak_level' in data ? (
            <WarningCard warning={data} onSelect={onSelect} />
          ) : 'grade' in data ? (
            <IncidentCard incident={data} />
          ) : null
        }
      </Answered>
    </article>
  );
}

function WarningCard({ warning, onSelect }: { warning: Warning; onSelect: Props['onSelect'] }) {
  const { t } = useTexts();
  const metricName = useMetricName();
  return (
    <>
      <h4>
        <LevelMark level={warning.level} long /> {warning.title}
      </h4>
      <p className="selection-meta">
        {warning.division_name} · {warning.device_name} · {showTime(warning.opened_at)}
      </p>
      {warning.value !== null && (
        <p className="selection-value">
          <span className="muted">{metricName(warning.metric)}</span> <b className="num">{figure(warning.value)}</b> {warning.unit}
          <span className="muted"> {t('warning.threshold', { value: warning.threshold ?? '—' })}</span>
        </p>
      )}
      {warning.device_id && warning.metric && <ReadingsChart device={warning.device_id} metric={warning.metric} mark={warning.opened_at} height={130} live />}
      <footer>
        {warning.incident_id ? (
          <>
            <Button size="small" onClick={() => warning.incident_id && onSelect({ kind: 'incident', id: warning.incident_id })}>
              {t('warning.show_incident')}
            </Button>
            <Link to={`/incidents/${warning.incident_id}`}>
              {t('incident.open')} <ArrowRightOutlined />
            </Link>
          </>
        ) : (
          <span className="muted">{t('warning.no_incident')}</span>
        )}
      </footer>
    </>
  );
}

function IncidentCard({ incident }: { incident: Incident }) {
  const { t, word } = useTexts();
  return (
    <>
      <h4>
        <LevelMark level={incident.grade} of="incident" long /> {incident.title}
      </h4>
      <p className="selection-meta">
        {incident.number} · {incident.division_name} · {incident.unit_name ?? t('incident.no_unit')}
      </p>
      <p className="selection-value">
        <span className={`state state-${incident.state}`}>{word('state', incident.state, incident.state_name)}</span>{' '}
        <Due at={incident.due_at} overdue={incident.overdue} />
      </p>
      <footer>
        <ActionButtons incident={incident} size="small" limit={2} />
        <Link to={`/incidents/${incident.id}`} data-testid="open-incident">
          {t('incident.open')} <ArrowRightOutlined />
        </Link>
      </footer>
    </>
  );
}
