import { CheckOutlined } from '@ant-design/icons';
import type { Incident } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';

/** Where each state stands in the loop of four stages. */
const stageOfState: Record<string, number> = {
  new: 1,
  dispatched: 1,
  accepted: 1,
  suspended: 1,
  returned: 1,
  disputed: 1,
  handled: 2,
  verified: 2,
  closed: 3,
  dismissed: 3,
  merged: 3,
};

export function Stages({ incident }: { incident: Incident }) {
  const { t, word } = useTexts();
  const now = stageOfState[incident.state] ?? 1;
  const moment = (states: string[]) => {
    const entry = [...incident.timeline].reverse().find(({ to_state: to }) => to !== null && states.includes(to));
    return entry ? showTime(entry.at) : '';
  };
  const steps = [
    { name: t('stage.warn.full'), note: `${word('source', incident.source)} · ${showTime(incident.opened_at)}` },
    { name: t('stage.decide.full'), note: [incident.unit_name ?? word('state', 'new'), moment(['handled']) || moment(['accepted', 'dispatched'])].filter(Boolean).join(' · ') },
    { name: t('stage.evaluate.full'), note: now >= 2 ? [word('state', incident.state, incident.state_name), moment(['closed', 'dismissed', 'verified'])].filter(Boolean).join(' · ') : '' },
    { name: t('stage.review.full'), note: now === 3 ? t('stage.review.waiting') : '' },
  ];
  return (
    <ol className="stages" aria-label={t('stage.label')}>
      {steps.map((step, index) => {
        const status = index < now ? 'done' : index === now ? 'now' : 'later';
        return (
          <li key={step.name} className={`stage stage-${status}`} aria-current={status === 'now' ? 'step' : undefined}>
            <i aria-hidden>{status === 'done' ? <CheckOutlined /> : index + 1}</i>
            <div>
              <b>{step.name}</b>
              <small>{step.note || ' '}</small>
            </div>
          </li>
        );
      })}
    </ol>
  );
}
