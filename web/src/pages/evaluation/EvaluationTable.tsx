import { QuestionCircleOutlined } from '@ant-design/icons';
import { Table, Tooltip, type TableColumnsType } from 'antd';
import { Link } from 'react-router';
import { withQuery, type Query } from '../../api/client';
import type { Evaluation, EvaluationRow } from '../../api/types';
import { useTexts } from '../../i18n';
import { Nothing } from '../../ui/states';
import { percent, useDefinitions } from './definitions';

type CountKey = 'opened' | 'closed' | 'returned' | 'reworked' | 'overdue_open';
type RateKey = 'accept_rate' | 'handle_rate' | 'close_rate' | 'return_rate';

function Bar({ rate, bad = false }: { rate: number | null; bad?: boolean }) {
  return (
    <span className={bad ? 'bar bar-bad' : 'bar'}>
      <i style={{ width: `${Math.min(100, (rate ?? 0) * 100)}%` }} />
      <em>{percent(rate)}</em>
    </span>
  );
}

export function EvaluationTable({ data, by }: { data: Evaluation; by: 'unit' | 'tier' | 'division' }) {
  const { t } = useTexts();
  const define = useDefinitions(data.definitions);
  const most = Math.max(1, ...data.rows.map(({ opened }) => opened));
  const incidentsOf = (key: string, more: Query = {}) => withQuery('/incidents', { state: 'all', from: data.from, to: data.to, ...(by === 'tier' ? {} : { [by]: key }), ...more });
  const title = (key: CountKey | RateKey) => (
    <Tooltip title={define(key)}>
      <span className="defined">
        {t(`kpi.${key}`)} <QuestionCircleOutlined />
      </span>
    </Tooltip>
  );
  const count = (key: CountKey, filter: Query, width = 100): TableColumnsType<EvaluationRow>[number] => ({
    title: title(key),
    dataIndex: key,
    width,
    align: 'right',
    sorter: (a, b) => a[key] - b[key],
    render: (value: number, row) =>
      value > 0 ? (
        <Link className={key === 'overdue_open' ? 'num tone-over' : 'num'} to={incidentsOf(row.key, filter)}>
          {value}
        </Link>
      ) : (
        <span className="muted num">0</span>
      ),
  });
  const rate = (key: RateKey, bad = false): TableColumnsType<EvaluationRow>[number] => ({
    title: title(key),
    dataIndex: key,
    width: 132,
    sorter: (a, b) => (a[key] ?? -1) - (b[key] ?? -1),
    render: (value: number | null) => <Bar rate={value} bad={bad} />,
  });
  const columns: TableColumnsType<EvaluationRow> = [
    { title: t(`evaluation.by.${by}`), dataIndex: 'name', fixed: 'left', width: 170, ellipsis: true, render: (name: string, row) => <Link to={incidentsOf(row.key)}>{name}</Link> },
    {
      title: title('opened'),
      dataIndex: 'opened',
      width: 128,
      defaultSortOrder: 'descend',
      sorter: (a, b) => a.opened - b.opened,
      render: (value: number, row) => (
        <Link to={incidentsOf(row.key)} className="bar bar-count">
          <i style={{ width: `${(value / most) * 100}%` }} />
          <em>{value}</em>
        </Link>
      ),
    },
    rate('accept_rate'),
    rate('handle_rate'),
    count('closed', { state: 'closed' }),
    rate('close_rate'),
    count('returned', {}),
    rate('return_rate', true),
    count('reworked', {}),
    count('overdue_open', { state: 'open', overdue: true }, 124),
  ];
  return (
    <Table<EvaluationRow>
      rowKey="key"
      size="small"
      columns={columns}
      dataSource={data.rows}
      pagination={data.rows.length > 15 ? { pageSize: 15, showSizeChanger: false, size: 'small' } : false}
      scroll={{ x: 1270 }}
      locale={{ emptyText: <Nothing text={t('evaluation.none')} /> }}
    />
  );
}
