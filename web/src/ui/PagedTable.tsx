import { Table, type TableColumnsType } from 'antd';
import { useGet } from '../api/hooks';
import type { Query } from '../api/client';
import type { Paged } from '../api/types';
import { useTexts } from '../i18n';
import { useView } from '../lib/view';
import { Failed, Nothing } from './states';

interface Props<T> {
  path: string;
  query?: Query;
  rowKey: (keyof T & string) | ((row: T) => string);
  columns: TableColumnsType<T>;
  /** Milliseconds until it is read again. */
  refetchInterval?: number;
}

/** A plain server-paged list whose page stands in the address. */
export function PagedTable<T extends object>({ path, query = {}, rowKey, columns, refetchInterval }: Props<T>) {
  const { t } = useTexts();
  const view = useView();
  const page = view.number('page', 1);
  const answer = useGet<Paged<T>>(path, { ...query, page, size: 20 }, { keep: true, refetchInterval: refetchInterval ?? false });
  if (answer.error && !answer.data) return <Failed error={answer.error} retry={() => void answer.refetch()} />;
  return (
    <Table<T>
      rowKey={rowKey}
      size="middle"
      columns={columns}
      dataSource={answer.data?.items ?? []}
      loading={answer.isPending || answer.isPlaceholderData}
      locale={{ emptyText: answer.isPending ? ' ' : <Nothing text={t('state.empty')} /> }}
      scroll={{ x: 760 }}
      pagination={{ current: page, pageSize: 20, total: answer.data?.total ?? 0, showSizeChanger: false, showTotal: (count) => t('paging.total', { total: count }), onChange: (next) => view.set({ page: next }) }}
    />
  );
}
