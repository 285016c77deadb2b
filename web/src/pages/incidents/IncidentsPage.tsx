import { FormOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Grid, Segmented, Select, Switch, Table, Tooltip } from 'antd';
import { useEffect, useState } from 'react';
import { useNavigate } from 'react-router';
import { useGet } from '../../api/hooks';
import type { IncidentFlat, Paged } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { useKeys } from '../../lib/keys';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { useAction } from '../../ui/actions';
import { LevelMark } from '../../ui/level';
import { Page } from '../../ui/Page';
import { SearchBox } from '../../ui/SearchBox';
import { CategorySelect, DivisionSelect } from '../../ui/selects';
import { Failed, Nothing } from '../../ui/states';
import { useIncidentColumns } from './columns';
import { RegisterDrawer } from './RegisterDrawer';

const scopes = ['open', 'all'] as const;
const states = ['new', 'dispatched', 'accepted', 'returned', 'handled', 'verified', 'closed', 'dismissed'];

export default function IncidentsPage() {
  const { t, word } = useTexts();
  const { has } = useSession();
  const view = useView();
  const navigate = useNavigate();
  const start = useAction();
  const page = view.number('page', 1);
  const size = view.number('size', 20);
  // Without a choice, the list shows what still has to be done.
  const state = view.get('state') || 'open';
  const filter = {
    state: state === 'all' ? '' : state,
    category: view.get('category'),
    grade: view.get('grade'),
    division: view.get('division'),
    unit: view.get('unit'),
    overdue: view.get('overdue') ? true : undefined,
    q: view.get('q'),
    from: view.get('from'),
    to: view.get('to'),
    sort: view.get('sort') || '-opened_at',
  };
  const answer = useGet<Paged<IncidentFlat>>('/incidents', { ...filter, page, size }, { keep: true });
  const items = answer.data?.items ?? [];
  const [cursor, setCursor] = useState(-1);
  const current = items[cursor];
  const phone = Grid.useBreakpoint().md === false;
  const columns = useIncidentColumns(filter.sort, phone);
  const change = (patch: Record<string, string | boolean | undefined>) => view.set({ ...patch, page: null });

  useEffect(() => setCursor(-1), [page, filter.q, filter.state]);
  useEffect(() => {
    document.querySelector('.row-cursor')?.scrollIntoView({ block: 'nearest' });
  }, [cursor]);
  const move = (by: number) => setCursor((before) => Math.max(0, Math.min(items.length - 1, before + by)));
  const act = (action: string) => current && void start(current.id, action);
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => current && void navigate(`/incidents/${current.id}`),
    a: () => act('accept'),
    d: () => act('dispatch'),
  });
  const narrowed = Boolean(filter.unit || filter.from);
  const register = view.get('new');

  return (
    <Page
      title={t('incidents.title')}
      className="page-table"
      extra={
        <>
          {has('duty_officer', 'dispatcher', 'handler') && (
            <Button icon={<FormOutlined />} onClick={() => view.set({ new: 'report' })} data-testid="register-report">
              {t('report.register')}
            </Button>
          )}
          {has('duty_officer', 'dispatcher') && (
            <Button type="primary" icon={<PlusOutlined />} onClick={() => view.set({ new: 'manual' })} data-testid="create-incident">
              {t('incident.create')}
            </Button>
          )}
        </>
      }
    >
      <div className="filters">
        <Segmented
          value={scopes.find((each) => each === state) ?? ''}
          onChange={(value) => change({ state: value === 'open' ? undefined : value })}
          options={scopes.map((each) => ({ value: each as string, label: t(`incidents.scope.${each}`) }))}
        />
        <SearchBox value={filter.q} onSearch={(q) => change({ q })} placeholder={t('incidents.search')} />
        <Select
          allowClear
          value={states.includes(state) ? state : undefined}
          onChange={(chosen?: string) => change({ state: chosen })}
          placeholder={t('field.state')}
          aria-label={t('field.state')}
          popupMatchSelectWidth={false}
          options={states.map((each) => ({ value: each, label: word('state', each) }))}
        />
        <Select
          allowClear
          value={filter.grade || undefined}
          onChange={(grade?: string) => change({ grade })}
          placeholder={t('field.grade')}
          aria-label={t('field.grade')}
          popupMatchSelectWidth={false}
          options={([1, 2, 3, 4] as const).map((grade) => ({ value: String(grade), label: <LevelMark level={grade} of="incident" long /> }))}
        />
        <CategorySelect value={filter.category || (undefined as never)} onChange={(category) => change({ category })} />
        <DivisionSelect value={filter.division || (undefined as never)} onChange={(division) => change({ division })} />
        <label className="switch">
          <Switch size="small" checked={filter.overdue === true} onChange={(overdue) => change({ overdue: overdue ? '1' : undefined })} /> {t('incidents.overdue')}
        </label>
        {narrowed && (
          <Button type="link" size="small" onClick={() => change({ unit: undefined, from: undefined, to: undefined })}>
            {filter.from ? t('incidents.narrowed', { from: showTime(filter.from), to: showTime(filter.to) }) : t('incidents.narrowed.unit')} ✕
          </Button>
        )}
        <Tooltip title={t('keys.hint')}>
          <span className="keys wide-only">
            <kbd>j</kbd>
            <kbd>k</kbd> {t('keys.move')} <kbd>a</kbd> {word('action', 'accept')} <kbd>d</kbd> {word('action', 'dispatch')}
          </span>
        </Tooltip>
      </div>
      {answer.error && !answer.data ? (
        <Failed error={answer.error} retry={() => void answer.refetch()} />
      ) : (
        <Table<IncidentFlat>
          rowKey="id"
          size="middle"
          showHeader={!phone}
          columns={columns}
          dataSource={items}
          loading={answer.isPending || answer.isPlaceholderData}
          locale={{ emptyText: answer.isPending ? ' ' : <Nothing text={t('incidents.none')} /> }}
          scroll={{ x: phone ? undefined : 1080 }}
          sticky
          rowClassName={(_, index) => (index === cursor ? 'row-cursor clickable' : 'clickable')}
          onRow={(incident, index) =>
            ({
              onClick: () => void navigate(`/incidents/${incident.id}`),
              onMouseDown: () => setCursor(index ?? -1),
              'data-testid': 'incident-row',
            }) as object
          }
          onChange={(_, __, sorter) => {
            const one = Array.isArray(sorter) ? sorter[0] : sorter;
            const field = one?.columnKey ? String(one.columnKey) : '';
            change({ sort: one?.order && field ? `${one.order === 'descend' ? '-' : ''}${field}` : undefined });
          }}
          pagination={{
            current: page,
            pageSize: size,
            total: answer.data?.total ?? 0,
            showSizeChanger: true,
            pageSizeOptions: [20, 50, 100],
            showTotal: (total) => t('paging.total', { total }),
            onChange: (next, nextSize) => view.set({ page: next, size: nextSize }),
          }}
        />
      )}
      <RegisterDrawer kind={register === 'report' || register === 'manual' ? register : null} onClose={() => view.set({ new: null })} />
    </Page>
  );
}
