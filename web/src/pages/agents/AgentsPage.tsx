import { PlusOutlined } from '@ant-design/icons';
import { Button, Select, Tabs, Tag, Tooltip } from 'antd';
import { Link, useNavigate } from 'react-router';
import type { AgentRow, Run } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { SearchBox } from '../../ui/SearchBox';
import { Approvals } from './Approvals';
import { RunState } from './RunView';
import { StateSelect } from '../../ui/StateSelect';

const tabs = ['list', 'runs', 'approvals'] as const;
export const capabilities = ['perception', 'forecasting', 'generation', 'interaction', 'judgement', 'routing', 'audit', 'recommendation'] as const;

/** The agents of the own unit and those that others share, what they did, and what they ask leave for. */
export default function AgentsPage() {
  const { t } = useTexts();
  const { has } = useSession();
  const view = useView();
  const navigate = useNavigate();
  const tab = tabs.find((each) => each === view.get('tab')) ?? 'list';
  return (
    <Page
      title={t('agents.title')}
      className="page-table"
      extra={
        has('developer') && (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => void navigate('/agents/new')} data-testid="new-agent">
            {t('agents.new')}
          </Button>
        )
      }
    >
      <Tabs activeKey={tab} onChange={(key) => view.set({ tab: key, page: null, state: null })} items={tabs.map((key) => ({ key, label: t(`agents.${key}`) }))} />
      {tab === 'list' && <Agents />}
      {tab === 'runs' && <Runs query={{}} />}
      {tab === 'approvals' && <Approvals />}
    </Page>
  );
}

function Agents() {
  const { t, word, lang } = useTexts();
  const view = useView();
  const capability = view.get('capability');
  return (
    <>
      <div className="filters">
        <SearchBox value={view.get('q')} onSearch={(q) => view.set({ q, page: null })} placeholder={t('agents.search')} />
        <Select
          allowClear
          value={capability || null}
          placeholder={t('agent.capability')}
          aria-label={t('agent.capability')}
          onChange={(value) => view.set({ capability: value, page: null })}
          options={capabilities.map((value) => ({ value, label: word('capability', value) }))}
        />
      </div>
      <PagedTable<AgentRow>
        path="/agents"
        query={{ q: view.get('q'), capability }}
        rowKey="id"
        columns={[
          {
            title: t('agent.name'),
            key: 'name',
            render: (_, row) => (
              <div className="cell-two">
                <Link to={`/agents/${row.id}`}>{lang === 'zh' ? row.name : row.name_en}</Link>
                <small title={row.purpose}>{row.purpose}</small>
              </div>
            ),
          },
          { title: t('agent.capability'), key: 'capability', width: 110, render: (_, row) => word('capability', row.capability, row.capability_name) },
          { title: t('field.unit'), key: 'unit', width: 140, render: (_, row) => (row.builtin ? <Tag>{t('agent.builtin')}</Tag> : (row.unit_name ?? row.division_name)) },
          { title: t('agent.published'), key: 'version', width: 110, render: (_, row) => <InUse row={row} /> },
          {
            title: t('agent.quality'),
            key: 'quality',
            width: 130,
            render: (_, row) =>
              row.quality ? (
                <Tooltip title={t('agent.quality.of', { set: row.quality.set, items: row.quality.items, low: percent(row.quality.low), high: percent(row.quality.high) })}>
                  <span className="num">{percent(row.quality.score)}</span>
                </Tooltip>
              ) : (
                '—'
              ),
          },
          { title: t('agent.runs30'), key: 'runs', width: 100, render: (_, row) => <span className="num">{row.runs_30d}</span> },
          { title: t('agent.off'), key: 'off', width: 120, render: (_, row) => t(row.model_off_ok ? 'agent.off.rule' : 'agent.off.human') },
        ]}
      />
    </>
  );
}

function InUse({ row }: { row: AgentRow }) {
  const { t } = useTexts();
  if (row.retired) return <Tag>{t('agent.retired')}</Tag>;
  if (row.published_version === null) return <Tag>{t('agent.draft')}</Tag>;
  return (
    <Tag color="green">
      v{row.published_version}
      {row.latest_version > row.published_version && ` / v${row.latest_version}`}
    </Tag>
  );
}

export const percent = (value: number) => `${(value * 100).toFixed(1)}%`;

const states = ['queued', 'running', 'waiting', 'done', 'failed', 'cancelled'] as const;

/** Runs, the newest first. */
export function Runs({ query }: { query: Record<string, string> }) {
  const { t, word } = useTexts();
  const view = useView();
  const state = view.get('state');
  return (
    <>
      <div className="filters">
        <StateSelect group="run.state" value={state} values={states} />
      </div>
      <PagedTable<Run>
        path="/agents/runs"
        query={{ ...query, state }}
        rowKey="id"
        columns={[
          { title: t('agent.name'), key: 'agent', render: (_, row) => <Link to={`/agents/runs/${row.id}`}>{row.agent_id}</Link> },
          { title: t('field.state'), key: 'state', width: 110, render: (_, row) => <RunState run={row} /> },
          { title: t('run.answered'), key: 'by', width: 110, render: (_, row) => (row.by ? word('run.by', row.by, row.by_name) : '—') },
          { title: t('run.asked'), key: 'asked', width: 180, render: (_, row) => `${row.asked_by_name} ${showTime(row.created_at)}` },
          { title: 'tokens', key: 'tokens', width: 90, render: (_, row) => <span className="num">{row.tokens}</span> },
        ]}
      />
    </>
  );
}
