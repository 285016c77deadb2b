import { Select, Switch, Tabs } from 'antd';
import { Link } from 'react-router';
import type { Report } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { SearchBox } from '../../ui/SearchBox';
import { CategorySelect, useCategoryName } from '../../ui/selects';
import { Drafts } from './Drafts';
import { Imports } from './Imports';

const tabs = ['reports', 'drafts', 'imports'] as const;
const channels = ['citizen', 'hotline', 'patrol', 'open311', 'import', 'letter', 'call', 'machine'];

/** What people told, by whatever way; letters and recordings that wait for a person; files that were brought in. */
export default function ReportsPage() {
  const { t } = useTexts();
  const { has } = useSession();
  const view = useView();
  const shown = tabs.filter((each) => each === 'reports' || has('dispatcher', 'duty_officer', 'steward'));
  const tab = shown.find((each) => each === view.get('tab')) ?? 'reports';
  return (
    <Page title={t('reports.title')} className="page-table">
      <Tabs activeKey={tab} onChange={(key) => view.set({ tab: key, page: null, q: null, import: null })} items={shown.map((key) => ({ key, label: t(`reports.${key}`) }))} />
      {tab === 'reports' && <List />}
      {tab === 'drafts' && <Drafts />}
      {tab === 'imports' && <Imports />}
    </Page>
  );
}

function List() {
  const { t, word } = useTexts();
  const view = useView();
  const categoryName = useCategoryName();
  const category = view.get('category');
  const channel = view.get('channel');
  const waiting = view.get('waiting') === 'true';
  return (
    <>
      <div className="filters">
        <SearchBox value={view.get('q')} onSearch={(q) => view.set({ q, page: null })} placeholder={t('reports.search')} />
        <CategorySelect {...(category ? { value: category } : {})} onChange={(value) => view.set({ category: value, page: null })} />
        <Select
          allowClear
          value={channel || null}
          placeholder={t('field.channel')}
          aria-label={t('field.channel')}
          onChange={(value) => view.set({ channel: value, page: null })}
          options={channels.map((value) => ({ value, label: word('channel', value) }))}
        />
        <label className="switch">
          <Switch size="small" checked={waiting} onChange={(on) => view.set({ waiting: on, page: null })} /> {t('reports.waiting')}
        </label>
      </div>
      <PagedTable<Report>
        path="/reports"
        query={{ q: view.get('q'), category, channel, answered: waiting ? false : undefined }}
        rowKey="id"
        columns={[
          {
            title: t('report.content'),
            key: 'content',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/incidents/${row.incident_id}`}>{row.content}</Link>
                <small>
                  <span className="num">{row.tracking_number}</span> · {row.division_name} {row.address}
                  {row.odd.length > 0 && <span className="tone-over"> · {row.odd.map((code) => word('odd', code)).join('、')}</span>}
                </small>
              </div>
            ),
          },
          { title: t('field.channel'), key: 'channel', width: 100, render: (_, row) => word('channel', row.channel, row.channel_name) },
          {
            title: t('field.category'),
            key: 'category',
            width: 150,
            render: (_, row) => (
              <>
                {categoryName(row.category, row.category_name)} {!!row.confidence && <small className="muted num">{Math.round(row.confidence * 100)}%</small>}
              </>
            ),
          },
          { title: t('reports.received'), key: 'received', width: 120, render: (_, row) => showTime(row.received_at) },
          { title: t('reports.answer'), key: 'answer', width: 150, render: (_, row) => (row.answered_at ? showTime(row.answered_at) : <span className="muted">{t('reports.not_answered')}</span>) },
          { title: t('reports.satisfaction'), key: 'satisfaction', width: 90, align: 'right', render: (_, row) => row.satisfaction ?? '—' },
        ]}
      />
    </>
  );
}
