import { Select, Tabs } from 'antd';
import { Link } from 'react-router';
import type { Proposal, Review } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';

const tabs = ['reviews', 'proposals'] as const;

/** What is looked back on, and the changes that were proposed. */
export default function ReviewsPage() {
  const { t } = useTexts();
  const view = useView();
  const tab = tabs.find((each) => each === view.get('tab')) ?? 'reviews';
  return (
    <Page title={t('review.title')} className="page-table">
      <Tabs activeKey={tab} onChange={(key) => view.set({ tab: key, page: null, state: null, origin: null })} items={tabs.map((key) => ({ key, label: t(`review.${key}`) }))} />
      {tab === 'reviews' ? <Reviews /> : <Proposals />}
    </Page>
  );
}

function Reviews() {
  const { t, lang } = useTexts();
  const view = useView();
  const state = view.get('state');
  return (
    <>
      <div className="filters">
        <Select allowClear value={state || null} placeholder={t('field.state')} aria-label={t('field.state')} onChange={(value) => view.set({ state: value, page: null })} options={(['open', 'finished'] as const).map((value) => ({ value, label: t(`review.state.${value}`) }))} />
      </div>
      <PagedTable<Review>
        path="/reviews"
        query={{ state }}
        rowKey="id"
        columns={[
          {
            title: t('review.review'),
            key: 'title',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/reviews/${row.id}`}>{row.title}</Link>
                <small>
                  <span className="num">{row.number}</span> · {row.division_name}
                </small>
              </div>
            ),
          },
          { title: t('review.occasions'), key: 'occasions', render: (_, row) => row.occasions.map((each) => (lang === 'zh' ? each.name : each.name_en)).join('、') },
          { title: t('field.state'), key: 'state', width: 110, render: (_, row) => t(`review.state.${row.state}`) },
          { title: t('review.opened'), key: 'opened', width: 200, render: (_, row) => `${row.opened_by_name} ${showTime(row.opened_at)}` },
        ]}
      />
    </>
  );
}

function Proposals() {
  const { t } = useTexts();
  const view = useView();
  const state = view.get('state');
  const origin = view.get('origin');
  return (
    <>
      <div className="filters">
        <Select
          allowClear
          value={state || null}
          placeholder={t('field.state')}
          aria-label={t('field.state')}
          onChange={(value) => view.set({ state: value, page: null })}
          options={(['draft', 'replayed', 'applied', 'refused', 'withdrawn'] as const).map((value) => ({ value, label: t(`proposal.state.${value}`) }))}
        />
        <Select allowClear value={origin || null} placeholder={t('proposal.origin')} aria-label={t('proposal.origin')} onChange={(value) => view.set({ origin: value, page: null })} options={(['person', 'returns'] as const).map((value) => ({ value, label: t(`proposal.origin.${value}`) }))} />
      </div>
      <ProposalTable query={{ state, origin }} />
    </>
  );
}

export function ProposalTable({ query }: { query: Record<string, string> }) {
  const { t, word } = useTexts();
  return (
    <PagedTable<Proposal>
      path="/proposals"
      query={query}
      rowKey="id"
      columns={[
        {
          title: t('proposal.about'),
          key: 'about',
          render: (_, row) => (
            <div className="cell-two">
              <Link to={`/proposals/${row.id}`}>{row.about}</Link>
              <small>
                <span className="num">{row.number}</span> · {row.reason}
              </small>
            </div>
          ),
        },
        { title: t('proposal.kind'), key: 'kind', width: 110, render: (_, row) => word('proposal.kind', row.kind, row.kind_name) },
        { title: t('field.state'), key: 'state', width: 110, render: (_, row) => word('proposal.state', row.state, row.state_name) },
        { title: t('proposal.author'), key: 'author', width: 200, render: (_, row) => `${row.author_name} ${showTime(row.made_at)}` },
      ]}
    />
  );
}
