import { QuestionCircleOutlined } from '@ant-design/icons';
import { Table, Tooltip, type TableColumnsType } from 'antd';
import type { Evaluation, EvaluationRow } from '../../api/types';
import { useTexts, type MessageKey } from '../../i18n';
import { Nothing } from '../../ui/states';
import type { Grouping } from './EvaluationPage';
import { percent, useDefinitions, useDuration, type CountKey, type FigureKey, type RateKey, type TimeKey } from './definitions';

const rates: RateKey[] = ['accept_rate', 'handle_rate', 'on_time_close_rate', 'close_rate', 'satisfaction_rate'];
const worse: RateKey[] = ['return_rate', 'misdispatch_rate', 'rework_rate', 'reopen_rate'];
const counts: CountKey[] = ['answered_at_intake', 'merged', 'imported', 'urged', 'overdue_open'];
const times: TimeKey[] = ['time_dispatch', 'time_accept', 'time_handle', 'time_verify', 'time_whole'];

interface Props {
  data: Evaluation;
  by: Grouping;
  onFigure: (key: FigureKey, group: string) => void;
}

/** All groups with their figures; each figure opens the cases behind it. */
export function EvaluationTable({ data, by, onFigure }: Props) {
  const { t } = useTexts();
  const { name, define } = useDefinitions(data.definitions);
  const duration = useDuration();
  const most = Math.max(1, ...data.rows.map(({ opened }) => opened));
  const title = (key: FigureKey) => (
    <Tooltip title={define(key)}>
      <span className="defined">
        {name(key)} <QuestionCircleOutlined />
      </span>
    </Tooltip>
  );
  const figure = (key: FigureKey, group: string, className: string, content: React.ReactNode) => (
    <button type="button" className={`figure ${className}`} onClick={() => onFigure(key, group)} data-testid={`figure-${key}-${group}`}>
      {content}
    </button>
  );
  const rate = (key: RateKey, bad: boolean): TableColumnsType<EvaluationRow>[number] => ({
    title: title(key),
    key,
    width: 128,
    sorter: (a, b) => (a[key] ?? -1) - (b[key] ?? -1),
    render: (_, row) =>
      row[key] === null ? (
        <span className="muted num">—</span>
      ) : (
        figure(
          key,
          row.key,
          bad ? 'bar bar-bad' : 'bar',
          <>
            <i style={{ width: `${Math.min(100, (row[key] ?? 0) * 100)}%` }} />
            <em>{percent(row[key])}</em>
          </>,
        )
      ),
  });
  const columns: TableColumnsType<EvaluationRow> = [
    { title: t(`evaluation.by.${by}` as MessageKey), dataIndex: 'name', fixed: 'left', width: 170, ellipsis: true },
    {
      title: title('opened'),
      key: 'opened',
      width: 124,
      defaultSortOrder: by === 'day' ? null : 'descend',
      sorter: (a, b) => a.opened - b.opened,
      render: (_, row) =>
        figure(
          'opened',
          row.key,
          'bar bar-count',
          <>
            <i style={{ width: `${(row.opened / most) * 100}%` }} />
            <em>{row.opened}</em>
          </>,
        ),
    },
    ...rates.map((key) => rate(key, false)),
    ...worse.map((key) => rate(key, true)),
    ...counts.map((key): TableColumnsType<EvaluationRow>[number] => ({
      title: title(key),
      key,
      width: 108,
      align: 'right',
      sorter: (a, b) => a[key] - b[key],
      render: (_, row) => (row[key] > 0 ? figure(key, row.key, key === 'overdue_open' ? 'num tone-over' : 'num', row[key]) : <span className="muted num">0</span>),
    })),
    ...times.map((key): TableColumnsType<EvaluationRow>[number] => ({
      title: title(key),
      key,
      width: 150,
      align: 'right',
      sorter: (a, b) => (a[key].median ?? -1) - (b[key].median ?? -1),
      render: (_, row) =>
        row[key].median === null ? (
          <span className="muted num">—</span>
        ) : (
          figure(
            key,
            row.key,
            'num',
            <>
              {duration(row[key].median)} <small className="muted">p90 {duration(row[key].p90)}</small>
              {row[key].odd > 0 && <small className="tone-over"> {t('evaluation.odd', { count: row[key].odd })}</small>}
            </>,
          )
        ),
    })),
  ];
  return (
    <Table<EvaluationRow>
      rowKey="key"
      size="small"
      columns={columns}
      dataSource={data.rows}
      pagination={data.rows.length > 15 ? { pageSize: 15, showSizeChanger: false, size: 'small' } : false}
      scroll={{ x: 2700 }}
      locale={{ emptyText: <Nothing text={t('evaluation.none')} /> }}
    />
  );
}
