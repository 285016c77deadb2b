import { Button } from 'antd';
import { useEffect, useRef } from 'react';
import { Link } from 'react-router';
import { useGet } from '../../api/hooks';
import type { Incident, ReportMade } from '../../api/types';
import { useTexts } from '../../i18n';
import { Panel } from '../../ui/Page';
import { Candidates } from '../incident/Candidates';

/** What the caller is told: number, code, and who has it now; perhaps the same was reported before. */
export function Registered({ made, more, onNext }: { made: ReportMade; more: number; onNext: () => void }) {
  const { t, word } = useTexts();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  const incident = useGet<Incident>(`/incidents/${made.incident_id}`);
  return (
    <Panel title={t('intake.done')} className="registered">
      <dl data-testid="intake-made">
        <dt>{t('intake.number')}</dt>
        <dd className="num">{made.tracking_number}</dd>
        <dt>{t('intake.code')}</dt>
        <dd className="num">{made.code}</dd>
        <dt>{t('field.incident')}</dt>
        <dd>
          <Link to={`/incidents/${made.incident_id}`}>{made.incident_number}</Link>
        </dd>
        {incident.data && (
          <>
            <dt>{t('field.state')}</dt>
            <dd>
              {word('state', incident.data.state, incident.data.state_name)} {incident.data.unit_name && `→ ${incident.data.unit_name}`}
            </dd>
          </>
        )}
      </dl>
      <Button ref={button} type="primary" size="large" onClick={onNext} data-testid="intake-next">
        {more > 0 ? t('intake.next.matter', { count: more }) : t('intake.next')} <kbd>Esc</kbd>
      </Button>
      {incident.data && <Candidates incident={incident.data} />}
    </Panel>
  );
}
