import { Table } from 'antd';
import { useGet } from '../../api/hooks';
import type { ProcessRow } from '../../api/types';
import { useTexts } from '../../i18n';
import { Answered } from '../../ui/states';

interface Answer {
  processes: ProcessRow[];
}

export function SystemTab() {
  const { t, word } = useTexts();
  const answer = useGet<Answer>('/system', {}, { refetchInterval: 5000 });
  return (
    <Answered answer={answer}>
      {(data) => (
        <Table<ProcessRow>
          rowKey="name"
          size="middle"
          pagination={false}
          scroll={{ x: 700 }}
          dataSource={data.processes}
          columns={[
            { title: t('system.process'), key: 'name', render: (_, row) => <code>{row.name}</code> },
            { title: t('field.state'), key: 'state', render: (_, row) => <span className={`status status-${row.state === 'ready' ? 'online' : 'faulty'}`}>{word('process', row.state)}</span> },
            { title: t('system.port'), key: 'port', render: (_, row) => <span className="num">{row.port ?? '—'}</span> },
            { title: t('system.memory'), key: 'memory', render: (_, row) => <span className="num">{row.memory_mb == null ? '—' : `${Math.round(row.memory_mb)} MB`}</span> },
            { title: t('system.restarts'), key: 'restarts', render: (_, row) => <span className="num">{row.restarts}</span> },
            { title: t('system.lag'), key: 'lag', render: (_, row) => <span className="num">{row.lag ?? '—'}</span> },
            { title: t('system.detail'), key: 'detail', render: (_, row) => row.detail },
          ]}
        />
      )}
    </Answered>
  );
}
