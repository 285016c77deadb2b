import { App, Button, Checkbox, Input, Modal, Progress, Select, Space, Table, Tag } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { AgentDetail, EvalItem, EvalResult, EvalRun, EvalSet, Paged, RunWithSteps } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Panel } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { Answered } from '../../ui/states';
import { percent } from './AgentsPage';

interface Figures {
  version: number;
  items: number;
  synthetic: number;
  passed: number;
  score: number;
  low: number;
  high: number;
  by: Record<string, number>;
  tokens: number;
  p50_milliseconds: number;
}

interface Comparison {
  first: number;
  second: number;
  items: number;
  only_first: number;
  only_second: number;
  difference: number;
  low: number;
  high: number;
  p: number;
  verdict: 'better' | 'worse' | 'undecided';
}

/** The sets that the agent is measured on, and what came of it. */
export function Evals({ agent }: { agent: AgentDetail }) {
  const { t, word } = useTexts();
  const view = useView();
  const sets = useGet<Paged<EvalSet>>(`/agents/${agent.id}/evals`, { size: 100 });
  const set = view.get('set');
  const run = view.get('run');
  return (
    <div className="stack">
      <Panel title={t('evals.sets')} className="panel-flush">
        <Answered answer={sets} empty={(data) => data.items.length === 0} emptyText="evals.none">
          {(data) => (
            <Table<EvalSet>
              rowKey="id"
              size="middle"
              pagination={false}
              dataSource={data.items}
              columns={[
                {
                  title: t('evals.set'),
                  key: 'name',
                  render: (_, row) => (
                    <div className="cell-two">
                      <a onClick={() => view.set({ set: row.id === set ? null : row.id, page: null })}>{row.name}</a>
                      <small>{row.purpose || row.id}</small>
                    </div>
                  ),
                },
                { title: t('evals.items'), key: 'items', width: 90, render: (_, row) => <span className="num">{row.items}</span> },
                { title: '', key: 'named', width: 150, render: (_, row) => row.named && <Tag color="gold">{t('evals.named')}</Tag> },
                { title: '', key: 'run', width: 360, render: (_, row) => agent.may.includes('evaluate') && <Start agent={agent} set={row} /> },
              ]}
            />
          )}
        </Answered>
      </Panel>
      {set && <Items agent={agent} set={set} />}
      <Panel title={t('evals.runs')} className="panel-flush">
        <PagedTable<EvalRun>
          path="/evals/runs"
          query={{ agent_id: agent.id }}
          rowKey="id"
          columns={[
            { title: t('evals.run'), key: 'at', render: (_, row) => <a onClick={() => view.set({ run: row.id, page: null })}>{`${row.set_id} · ${row.versions.map((each) => `v${each}`).join(' / ')} · ${word('evals.mode', row.mode, row.mode_name)}`}</a> },
            { title: t('field.state'), key: 'state', width: 150, render: (_, row) => (row.state === 'running' ? <Progress size="small" percent={Math.round((row.done / Math.max(1, row.total)) * 100)} /> : word('evals.state', row.state, row.state_name)) },
            { title: t('evals.score'), key: 'score', width: 150, render: (_, row) => ((row.summary?.versions as Figures[] | undefined) ?? []).map((each) => percent(each.score)).join(' / ') || '—' },
            { title: t('run.asked'), key: 'asked', width: 180, render: (_, row) => `${row.asked_by_name} ${showTime(row.created_at)}` },
          ]}
        />
      </Panel>
      {run && <Outcome id={run} />}
    </div>
  );
}

function Start({ agent, set }: { agent: AgentDetail; set: EvalSet }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const view = useView();
  const renew = useRefresh();
  const [versions, setVersions] = useState<number[]>([agent.latest_version]);
  const [mode, setMode] = useState('model');
  const start = async () => {
    try {
      const made = await api.post<EvalRun>(`/agents/${agent.id}/evals/${set.id}/run`, { versions: [...versions].sort((a, b) => a - b), mode }, crypto.randomUUID());
      renew(['/evals']);
      view.set({ run: made.id });
    } catch (error) {
      void message.error(errorText(error), 8);
    }
  };
  return (
    <Space>
      <Select
        mode="multiple"
        maxCount={2}
        value={versions}
        onChange={setVersions}
        options={Array.from({ length: agent.latest_version }, (_, index) => ({ value: index + 1, label: `v${index + 1}` }))}
        aria-label={t('version.number')}
        className="versions-select"
      />
      <Select value={mode} onChange={setMode} options={(['model', 'off'] as const).map((each) => ({ value: each, label: word('evals.mode', each) }))} aria-label={t('evals.mode')} />
      <Button onClick={() => void start()} disabled={versions.length === 0} data-testid={`eval-${set.id}`}>
        {t('evals.start')}
      </Button>
    </Space>
  );
}

function Items({ agent, set }: { agent: AgentDetail; set: string }) {
  const { t } = useTexts();
  return (
    <Panel title={t('evals.items.of', { set })} className="panel-flush">
      <PagedTable<EvalItem>
        path={`/agents/${agent.id}/evals/${set}/items`}
        rowKey="id"
        columns={[
          { title: 'id', key: 'id', width: 140, render: (_, row) => row.id },
          { title: t('run.step.input'), key: 'input', render: (_, row) => <code>{JSON.stringify(row.input)}</code> },
          { title: t('evals.expected'), key: 'expected', render: (_, row) => <code>{JSON.stringify(row.expected)}</code> },
          { title: t('evals.split'), key: 'split', width: 90, render: (_, row) => t(`evals.split.${row.split ?? 'test'}`) },
          { title: '', key: 'synthetic', width: 80, render: (_, row) => row.synthetic && <Tag>{t('evals.synthetic')}</Tag> },
        ]}
      />
    </Panel>
  );
}

/** What an evaluation found: each version's share with its interval, whether they differ, and item by item. */
function Outcome({ id }: { id: string }) {
  const { t, lang } = useTexts();
  const answer = useGet<EvalRun>(`/evals/runs/${id}`, {}, { refetchWhile: (run) => (run?.state === 'queued' || run?.state === 'running' ? 1500 : false) });
  return (
    <Answered answer={answer}>
      {(run) => {
        const figures = (run.summary?.versions as Figures[] | undefined) ?? [];
        const compared = run.summary?.comparison as Comparison | undefined;
        return (
          <Panel title={t('evals.outcome', { set: run.set_id })} extra={<span data-testid="eval-state">{lang === 'zh' ? run.state_name : run.state}</span>}>
            {run.state !== 'done' && <Progress percent={Math.round((run.done / Math.max(1, run.total)) * 100)} />}
            {figures.map((each) => (
              <div className="score-row" key={each.version}>
                <b className="num">v{each.version}</b>
                <div className="score-bar" title={`${percent(each.low)} – ${percent(each.high)}`}>
                  <i style={{ left: percent(each.low), width: percent(each.high - each.low) }} />
                  <b style={{ left: percent(each.score) }} />
                </div>
                <span className="num">
                  {percent(each.score)} <small className="muted">{`${percent(each.low)} – ${percent(each.high)} · ${each.passed}/${each.items}`}</small>
                </span>
                <small className="muted">
                  {Object.entries(each.by).map(([name, count]) => `${name} ${count}`).join(' · ')} · p50 {each.p50_milliseconds} ms
                </small>
              </div>
            ))}
            {compared && (
              <p data-testid="eval-verdict">
                {t(`evals.verdict.${compared.verdict}`, { first: compared.first, second: compared.second })}{' '}
                <span className="muted num">{t('evals.compared', { first: compared.only_first, second: compared.only_second, p: compared.p.toFixed(3), low: percent(compared.low), high: percent(compared.high) })}</span>
              </p>
            )}
            <PagedTable<EvalResult>
              path={`/evals/runs/${id}/results`}
              rowKey={(row) => `${row.version} ${String(row.item.id)}`}
              columns={[
                { title: 'id', key: 'id', width: 150, render: (_, row) => (row.run_id ? <Link to={`/agents/runs/${row.run_id}`}>{String(row.item.id)}</Link> : String(row.item.id)) },
                { title: t('version.number'), key: 'version', width: 80, render: (_, row) => `v${row.version}` },
                { title: t('evals.passed'), key: 'passed', width: 90, render: (_, row) => (row.passed === null ? '—' : <span className={row.passed ? 'status status-online' : 'status status-offline'}>{t(row.passed ? 'evals.right' : 'evals.wrong')}</span>) },
                { title: t('evals.reasons'), key: 'reasons', render: (_, row) => row.reasons.join('；') || '—' },
              ]}
            />
          </Panel>
        );
      }}
    </Answered>
  );
}

/** Makes an item of an evaluation set from a run: a person says what would have been right. */
export function KeepAsItem({ agent, run }: { agent: AgentDetail; run: RunWithSteps }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [open, setOpen] = useState(false);
  const sets = useGet<Paged<EvalSet>>(open ? `/agents/${agent.id}/evals` : null, { size: 100 });
  const own = (sets.data?.items ?? []).filter((each) => !each.builtin);
  const [name, setName] = useState('');
  const [set, setSet] = useState<string>();
  const [expected, setExpected] = useState(JSON.stringify(run.result ?? {}, null, 2));
  const [part, setPart] = useState(true);
  const keep = async () => {
    try {
      const right = JSON.parse(expected) as Record<string, unknown>;
      const scorer = { kind: part ? 'contains' : 'exact' };
      if (set) await api.post(`/agents/${agent.id}/evals/${set}/items`, { from_run: run.id, expected: right, scorer });
      else {
        const id = `${agent.id}-${Date.now().toString(36)}`;
        const item = { id: 'case-1', input: run.input, expected: right, scorer };
        await api.post(`/agents/${agent.id}/evals`, { id, name: { zh: name, en: name }, items: [item] });
      }
      renew(['/agents']);
      setOpen(false);
      void message.success(t('saved'));
    } catch (error) {
      void message.error(error instanceof SyntaxError ? t('try.json') : errorText(error), 8);
    }
  };
  return (
    <>
      <Button onClick={() => setOpen(true)} data-testid="keep-item">
        {t('evals.keep')}
      </Button>
      <Modal open={open} title={t('evals.keep')} onCancel={() => setOpen(false)} onOk={() => void keep()} okButtonProps={{ 'data-testid': 'confirm', disabled: !set && !name.trim() }}>
        <div className="definition">
          {own.length > 0 && <Select allowClear value={set ?? null} onChange={(next) => setSet(next ?? undefined)} placeholder={t('evals.set')} options={own.map((each) => ({ value: each.id, label: each.name }))} aria-label={t('evals.set')} />}
          {!set && <Input value={name} onChange={(event) => setName(event.target.value)} placeholder={t('evals.new')} aria-label={t('evals.new')} maxLength={60} data-testid="set-name" />}
          <p className="muted">{t('evals.expected.hint')}</p>
          <Input.TextArea value={expected} onChange={(event) => setExpected(event.target.value)} autoSize={{ minRows: 3, maxRows: 12 }} aria-label={t('evals.expected')} data-testid="expected" />
          <Checkbox checked={part} onChange={(event) => setPart(event.target.checked)}>
            {t('evals.contains')}
          </Checkbox>
        </div>
      </Modal>
    </>
  );
}
