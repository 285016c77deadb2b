import { ClockCircleOutlined, ExclamationCircleFilled } from '@ant-design/icons';
import { useTexts } from '../i18n';
import { useNow } from '../lib/clock';
import { showFullTime } from '../lib/time';

/** Time left until a deadline, or time past it, on the platform's clock. */
export function Due({ at, overdue = false }: { at: string | null; overdue?: boolean }) {
  const { t, span } = useTexts();
  const now = useNow();
  if (!at) {
    return overdue ? (
      <span className="due due-over">
        <ExclamationCircleFilled /> {t('due.overdue')}
      </span>
    ) : (
      <span className="muted">—</span>
    );
  }
  const left = Date.parse(at) - now;
  const over = left < 0;
  const tone = over ? 'due-over' : left < 15 * 60_000 ? 'due-soon' : '';
  return (
    <span className={`due ${tone}`} title={`${t('due.deadline')} ${showFullTime(at)}`}>
      {over ? <ExclamationCircleFilled /> : <ClockCircleOutlined />}
      {t(over ? 'due.past' : 'due.left', { span: span(left) })}
    </span>
  );
}
