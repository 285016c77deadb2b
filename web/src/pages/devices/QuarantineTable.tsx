import { Segmented, Table, type TableColumnsType } from 'antd';
import { useGet } from '../../api/hooks';
import type { Paged, Quarantined } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Failed, Nothing } from '../../ui/states';
import { FrameDrawer } from './FrameDrawer';

const states = ['waiting', 'replay_requested', 'replayed', 'discarded'] as const;

/** Frames that could not be read: a person looks, replays, or throws away with a reason. */
export function QuarantineTable() {
  const { t, word, lang } = useTexts();
  const view = useView();
  const page = view.number('page', 1);
  const state = states.find((each) => each === view.get('state')) ?? 'waiting';
  const answer = useGet<Paged<Quarantined>>('/quarantine', { state, page, size: 20 }, { keep: true });
  const columns: TableColumnsType<Quarantined> = [
    { title: t('quarantine.received'), key: 'at', width: 130, render: (_, row) => <span className="num">{showTime(row.received_at)}</span> },
    { title: t('quarantine.source'), key: 'source', width: 100, render: (_, row) => <code>{row.source}</code> },
    { title: t('field.device'), key: 'device', width: 200, ellipsis: true, render: (_, row) => row.device || row.peer },
    { title: t('quarantine.reason'), key: 'reason', ellipsis: true, render: (_, row) => (lang === 'zh' ? row.reason_text : row.reason_text_en) },
    { title: t('quarantine.size'), key: 'size', width: 100, align: 'right', render: (_, row) => t('quarantine.bytes', { bytes: row.size }) },
    { title: t('field.state'), key: 'state', width: 110, render: (_, row) => <span className="pill">{word('quarantine.state', row.state)}</span> },
  ];
  return (
    <>
      <div className="filters">
        <Segmented value={state} onChange={(value) => view.set({ state: value === 'waiting' ? null : value, page: null })} options={states.map((each) => ({ value: each, label: word('quarantine.state', each) }))} />
      </div>
      {answer.error && !answer.data ? (
        <Failed error={answer.error} retry={() => void answer.refetch()} />
      ) : (
        <Table<Quarantined>
          rowKey="id"
          size="middle"
          columns={columns}
          dataSource={answer.data?.items ?? []}
          loading={answer.isPending || answer.isPlaceholderData}
          locale={{ emptyText: answer.isPending ? ' ' : <Nothing text={t('quarantine.none')} /> }}
          scroll={{ x: 760 }}
          rowClassName="clickable"
          onRow={(row) => ({ onClick: () => view.set({ frame: row.id }), 'data-testid': 'quarantine-row' }) as object}
          pagination={{ current: page, pageSize: 20, total: answer.data?.total ?? 0, showSizeChanger: false, showTotal: (total) => t('paging.total', { total }), onChange: (next) => view.set({ page: next }) }}
        />
      )}
      <FrameDrawer id={view.get('frame')} onClose={() => view.set({ frame: null })} />
    </>
  );
}
