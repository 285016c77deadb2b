import type { TableColumnsType } from 'antd';
import type { AuditRow } from '../../api/types';
import { useTexts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { PagedTable } from '../../ui/PagedTable';

export function AuditTab() {
  const { t, word } = useTexts();
  const columns: TableColumnsType<AuditRow> = [
    { title: t('audit.at'), key: 'at', width: 180, render: (_, row) => <span className="num">{showFullTime(row.at)}</span> },
    { title: t('audit.who'), key: 'who', render: (_, row) => row.actor_name ?? '—' },
    { title: t('audit.what'), key: 'what', render: (_, row) => <code>{row.action}</code> },
    { title: t('audit.on'), key: 'on', ellipsis: true, render: (_, row) => <code>{Object.entries(row.detail).map(([name, value]) => `${name}=${String(value)}`).join(' ') || '—'}</code> },
    { title: t('audit.outcome'), key: 'outcome', width: 110, render: (_, row) => <span className={`status status-${row.outcome === 'allowed' ? 'online' : 'faulty'}`}>{word('outcome', row.outcome)}</span> },
  ];
  return <PagedTable<AuditRow> path="/audit" rowKey="id" columns={columns} />;
}
