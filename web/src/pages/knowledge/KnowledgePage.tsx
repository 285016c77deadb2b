import { UploadOutlined } from '@ant-design/icons';
import { Button, Select, Tabs, Tag } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { useGet } from '../../api/hooks';
import type { KnowledgeBase, KnowledgeDocument, Paged } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { SearchBox } from '../../ui/SearchBox';
import { StateSelect } from '../../ui/StateSelect';
import { Ask } from './Ask';
import { NewBase, UploadDialog } from './forms';

const tabs = ['ask', 'documents', 'bases'] as const;
const states = ['received', 'reading', 'ready', 'failed', 'withdrawn'] as const;

/** Rules, plans and cases that one can ask; each answer names the text it stands on. */
export default function KnowledgePage() {
  const { t } = useTexts();
  const view = useView();
  const tab = tabs.find((each) => each === view.get('tab')) ?? 'ask';
  return (
    <Page title={t('knowledge.title')} className="page-table">
      <Tabs activeKey={tab} onChange={(key) => view.set({ tab: key, page: null, state: null })} items={tabs.map((key) => ({ key, label: t(`knowledge.${key}`) }))} />
      {tab === 'ask' && <Ask />}
      {tab === 'documents' && <Documents />}
      {tab === 'bases' && <Bases />}
    </Page>
  );
}

export function useBases() {
  return useGet<Paged<KnowledgeBase>>('/knowledge/bases', { size: 200 }, { staleTime: 30_000 });
}

function Documents() {
  const { t, word } = useTexts();
  const { has } = useSession();
  const view = useView();
  const bases = useBases();
  const [adding, setAdding] = useState(false);
  const [base, state] = [view.get('base'), view.get('state')];
  return (
    <>
      <div className="filters">
        <SearchBox value={view.get('q')} onSearch={(q) => view.set({ q, page: null })} placeholder={t('knowledge.search.documents')} />
        <Select allowClear value={base || null} placeholder={t('knowledge.base')} aria-label={t('knowledge.base')} onChange={(value) => view.set({ base: value, page: null })} options={(bases.data?.items ?? []).map((each) => ({ value: each.id, label: each.name }))} />
        <StateSelect group="document.state" value={state} values={states} />
        {has('steward', 'developer') && (
          <Button type="primary" icon={<UploadOutlined />} onClick={() => setAdding(true)} data-testid="add-document">
            {t('knowledge.add')}
          </Button>
        )}
      </div>
      <PagedTable<KnowledgeDocument>
        path="/knowledge/documents"
        query={{ q: view.get('q'), base_id: base, state }}
        rowKey="id"
        columns={[
          {
            title: t('document.title'),
            key: 'title',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/knowledge/documents/${row.id}`}>{row.title}</Link>
                <small>{[row.number, row.issuer].filter(Boolean).join(' · ') || row.newest?.file_name}</small>
              </div>
            ),
          },
          { title: t('document.kind'), key: 'kind', width: 110, render: (_, row) => word('document.kind', row.kind, row.kind_name) },
          { title: t('document.validity'), key: 'validity', width: 120, render: (_, row) => <Validity document={row} /> },
          { title: t('document.access'), key: 'access', width: 80, render: (_, row) => word('data', row.access) },
          { title: t('field.state'), key: 'state', width: 170, render: (_, row) => <DocumentState document={row} /> },
          { title: t('document.updated'), key: 'updated', width: 130, render: (_, row) => showTime(row.updated_at) },
        ]}
      />
      {adding && <UploadDialog bases={bases.data?.items ?? []} base={base} onClose={() => setAdding(false)} />}
    </>
  );
}

export function Validity({ document }: { document: Pick<KnowledgeDocument, 'validity' | 'validity_name'> }) {
  const { word } = useTexts();
  return <Tag color={document.validity === 'in_force' ? 'green' : 'default'}>{word('validity', document.validity, document.validity_name)}</Tag>;
}

export function DocumentState({ document }: { document: KnowledgeDocument }) {
  const { word, lang } = useTexts();
  const problem = document.newest?.problem;
  return (
    <>
      {word('document.state', document.state, document.state_name)}
      {problem && <small className="muted block">{lang === 'zh' ? problem.message : problem.message_en}</small>}
    </>
  );
}

function Bases() {
  const { t, word } = useTexts();
  const { has } = useSession();
  const view = useView();
  return (
    <>
      {has('steward', 'developer') && (
        <div className="filters">
          <NewBase />
        </div>
      )}
      <PagedTable<KnowledgeBase>
        path="/knowledge/bases"
        rowKey="id"
        columns={[
          {
            title: t('knowledge.base'),
            key: 'name',
            render: (_, row) => (
              <div className="cell-two">
                <a onClick={() => view.set({ tab: 'documents', base: row.id, page: null })}>{row.name}</a>
                <small>{row.description}</small>
              </div>
            ),
          },
          { title: t('document.access'), key: 'access', width: 100, render: (_, row) => word('data', row.access) },
          { title: t('knowledge.documents'), key: 'documents', width: 100, render: (_, row) => <span className="num">{row.documents}</span> },
        ]}
      />
    </>
  );
}
