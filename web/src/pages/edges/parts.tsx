import { CheckCircleFilled, CloseCircleFilled, MinusCircleOutlined } from '@ant-design/icons';
import { Progress, Tag } from 'antd';
import type { Edge } from '../../api/types';
import { useTexts } from '../../i18n';

const colors: Record<Edge['state'], string> = {
  never: 'default',
  good: 'green',
  on_standby: 'gold',
  behind: 'orange',
  clock_off: 'orange',
  nearly_full: 'red',
  silent: 'red',
  ended: 'default',
};

export function EdgeStateTag({ edge }: { edge: Edge }) {
  const { word } = useTexts();
  return (
    <Tag color={colors[edge.state]} data-testid="edge-state">
      {word('edge.state', edge.state)}
    </Tag>
  );
}

/** One line: whether it stands, how fast it answers, and whether it is the one in use. */
export function LineCell({ edge, name }: { edge: Edge; name: 'primary' | 'standby' }) {
  const { t } = useTexts();
  const line = edge.lines[name];
  if (!line) return <span className="muted">{edge.seen_at ? t('edge.no_line') : '—'}</span>;
  const old = edge.state === 'silent' || edge.state === 'ended';
  const icon = old ? <MinusCircleOutlined /> : line.up ? <CheckCircleFilled className="line-up" /> : <CloseCircleFilled className="line-down" />;
  return (
    <div className="cell-two" title={line.error || line.url} data-testid={`line-${name}`}>
      <span>
        {icon} {t(line.up ? 'edge.up' : 'edge.down')}
        {line.up && line.round_trip_ms !== null && <span className="num muted"> {line.round_trip_ms} ms</span>}
        {edge.line === name && !old && <Tag className="line-used">{t('edge.in_use')}</Tag>}
      </span>
      <small>{line.url}</small>
    </div>
  );
}

export function BufferCell({ edge }: { edge: Edge }) {
  const { t, span } = useTexts();
  const buffer = edge.buffer;
  if (!buffer) return <span className="muted">—</span>;
  const share = Math.min(100, Math.round((buffer.bytes / buffer.limit) * 100));
  const waits = buffer.readings + buffer.pieces;
  return (
    <div className="cell-two">
      <span>
        <Progress percent={share} size="small" showInfo={false} className="buffer-bar" {...(share > 80 ? { status: 'exception' as const } : {})} /> <span className="num">{share}%</span>
      </span>
      <small>
        {waits ? t('edge.waiting', { count: waits }) : t('edge.nothing_waits')}
        {waits > 0 && (buffer.oldest_seconds ?? 0) >= 60 && ` · ${t('edge.behind', { span: span((buffer.oldest_seconds ?? 0) * 1000) })}`}
      </small>
    </div>
  );
}

export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);
