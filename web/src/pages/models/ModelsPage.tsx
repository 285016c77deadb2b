import { Select, Tabs, Tag } from 'antd';
import { Link } from 'react-router';
import type { ModelRow } from '../../api/types';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { SearchBox } from '../../ui/SearchBox';
import { Budgets } from './Budgets';
import { Deployments } from './Deployments';
import { Keys } from './Keys';
import { Routes } from './Routes';
import { Training } from './Training';
import { Usage } from './Usage';

const tabs = ['registry', 'deployments', 'routes', 'budgets', 'usage', 'keys', 'training'] as const;
const kinds = ['chat', 'embedding', 'ocr', 'transcription', 'vad', 'plate', 'person', 'forecast', 'classifier'] as const;

/** The models of the city: which there are, where they run, who may call them and what it costs. */
export default function ModelsPage() {
  const { t } = useTexts();
  const view = useView();
  const tab = tabs.find((each) => each === view.get('tab')) ?? 'registry';
  return (
    <Page title={t('models.title')} className="page-table">
      <Tabs activeKey={tab} onChange={(key) => view.set({ tab: key, page: null, state: null })} items={tabs.map((key) => ({ key, label: t(`models.${key}`) }))} />
      {tab === 'registry' && <Registry />}
      {tab === 'deployments' && <Deployments />}
      {tab === 'routes' && <Routes />}
      {tab === 'budgets' && <Budgets />}
      {tab === 'usage' && <Usage />}
      {tab === 'keys' && <Keys />}
      {tab === 'training' && <Training />}
    </Page>
  );
}

function Registry() {
  const { t, word, lang } = useTexts();
  const view = useView();
  const kind = view.get('kind');
  return (
    <>
      <div className="filters">
        <SearchBox value={view.get('q')} onSearch={(q) => view.set({ q, page: null })} placeholder={t('models.search')} />
        <Select allowClear value={kind || null} placeholder={t('model.kind')} aria-label={t('model.kind')} onChange={(value) => view.set({ kind: value, page: null })} options={kinds.map((value) => ({ value, label: word('model.kind', value) }))} />
      </div>
      <PagedTable<ModelRow>
        path="/models"
        query={{ q: view.get('q'), kind }}
        rowKey="id"
        columns={[
          {
            title: t('model.name'),
            key: 'name',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/models/${row.id}`}>{lang === 'zh' ? row.name : row.name_en}</Link>
                <small>{row.id}</small>
              </div>
            ),
          },
          { title: t('model.kind'), key: 'kind', width: 110, render: (_, row) => word('model.kind', row.kind, row.kind_name) },
          { title: t('model.version'), key: 'version', width: 150, render: (_, row) => row.champion ?? row.latest },
          { title: t('model.format'), key: 'format', width: 110, render: (_, row) => row.format },
          { title: t('model.licence'), key: 'licence', width: 150, render: (_, row) => `${row.licence ?? '—'}${row.licence_verified ? '' : ` (${t('model.unverified')})`}` },
          { title: t('model.size'), key: 'size', width: 100, render: (_, row) => <span className="num">{bytes(row.bytes)}</span> },
          { title: t('model.here'), key: 'here', width: 260, render: (_, row) => (row.installed ? <Tag color="green">{t('model.installed')}</Tag> : row.pull ? <code>{row.pull}</code> : <Tag>{t('model.absent')}</Tag>) },
        ]}
      />
    </>
  );
}

export function bytes(size: number): string {
  if (size >= 1e9) return `${(size / 1e9).toFixed(1)} GB`;
  if (size >= 1e6) return `${(size / 1e6).toFixed(0)} MB`;
  return `${(size / 1e3).toFixed(0)} kB`;
}

/** Money comes in micro-yuan. */
export function yuan(micro: number): string {
  return `${(micro / 1e6).toFixed(micro >= 1e6 ? 2 : 4)} 元`;
}
