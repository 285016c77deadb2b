import { App, Alert, Button, Input, Space, Tabs, Tag } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { AgentDetail, Checked } from '../../api/types';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { Page, Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { Runs } from './AgentsPage';
import { blank, type Definition } from './definition';
import { DefinitionForm } from './DefinitionForm';
import { Evals } from './Evals';
import { TryPanel } from './TryPanel';
import { Versions } from './Versions';

const tabs = ['definition', 'try', 'evals', 'versions', 'runs'] as const;

/** The workshop of one agent: define it, try it, measure it, publish it. */
export default function AgentPage() {
  const { id = '' } = useParams();
  const answer = useGet<AgentDetail>(id === 'new' ? null : `/agents/${encodeURIComponent(id)}`);
  if (id === 'new') return <Workshop key="new" agent={null} />;
  return <Answered answer={answer}>{(agent) => <Workshop key={`${agent.id} ${agent.version}`} agent={agent} />}</Answered>;
}

function Workshop({ agent }: { agent: AgentDetail | null }) {
  const { t, word, lang, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const navigate = useNavigate();
  const view = useView();
  const draft = useDraft(agent);
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const mayWrite = agent === null || (agent.may.includes('write') && !agent.retired);
  const tab = tabs.find((each) => each === view.get('tab')) ?? 'definition';
  const save = async () => {
    setBusy(true);
    try {
      const body = { yaml: draft.text, note, ...(agent ? { seen: agent.latest_version } : {}) };
      const kept = agent ? await api.put<AgentDetail>(`/agents/${agent.id}`, body) : await api.post<AgentDetail>('/agents', body);
      renew(['/agents']);
      void message.success(t('agent.saved', { version: kept.version }));
      if (!agent) void navigate(`/agents/${kept.id}?tab=try`, { replace: true });
    } catch (error) {
      void message.error(errorText(error), 8);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page
      title={agent ? (lang === 'zh' ? agent.name : agent.name_en) : t('agents.new')}
      extra={
        agent && (
          <Space wrap>
            <Tag>{word('capability', agent.capability, agent.capability_name)}</Tag>
            <Tag>{t(`autonomy.${agent.autonomy}`)}</Tag>
            {agent.published_version !== null && (
              <Tag color="green" data-testid="published-version">
                {t('agent.in_use', { version: agent.published_version })}
              </Tag>
            )}
            <span className="muted">{agent.builtin ? t('agent.builtin') : (agent.unit_name ?? agent.division_name)}</span>
          </Space>
        )
      }
    >
      <Tabs
        activeKey={tab}
        onChange={(key) => view.set({ tab: key, page: null, state: null })}
        items={tabs.filter((key) => agent || key === 'definition' || key === 'try').map((key) => ({ key, label: t(`agent.tab.${key}`) }))}
      />
      {tab === 'definition' && (
        <>
          <div className="workshop">
            <Panel title={t('agent.form')}>
              <DefinitionForm value={draft.definition} fixedId={agent !== null} readOnly={!mayWrite} onChange={draft.fill} />
            </Panel>
            <Panel title="YAML" className="yaml">
              <Input.TextArea value={draft.text} readOnly={!mayWrite} onChange={(event) => draft.write(event.target.value)} autoSize={{ minRows: 24, maxRows: 48 }} spellCheck={false} aria-label="YAML" data-testid="agent-yaml" />
            </Panel>
          </div>
          {mayWrite && (
            <div className="save-bar">
              <Problems errors={draft.errors} />
              <Space wrap>
                <Input value={note} onChange={(event) => setNote(event.target.value)} placeholder={t('agent.note')} aria-label={t('agent.note')} maxLength={200} />
                <Button type="primary" loading={busy} disabled={draft.errors.length > 0} onClick={() => void save()} data-testid="agent-save">
                  {t('agent.save')}
                </Button>
              </Space>
            </div>
          )}
        </>
      )}
      {tab === 'try' && <TryPanel agent={agent} definition={draft.definition} text={draft.changed ? draft.text : null} mayWrite={mayWrite} />}
      {agent && tab === 'evals' && <Evals agent={agent} />}
      {agent && tab === 'versions' && <Versions agent={agent} />}
      {agent && tab === 'runs' && <Runs query={{ agent_id: agent.id }} />}
    </Page>
  );
}

function Problems({ errors }: { errors: Checked['errors'] }) {
  const { t, lang } = useTexts();
  if (errors.length === 0) return <Alert type="success" showIcon title={t('agent.sound')} data-testid="agent-sound" />;
  return (
    <Alert
      type="warning"
      showIcon
      title={t('agent.problems', { count: errors.length })}
      description={
        <ul>
          {errors.slice(0, 6).map((each) => (
            <li key={`${each.path} ${each.message}`}>
              <code>{each.path}</code>
              {each.line !== null && ` (${t('agent.line', { line: each.line })})`}：{lang === 'zh' ? each.message : each.message_en}
            </li>
          ))}
        </ul>
      }
    />
  );
}

/** The form and the YAML are two views of one definition; the platform reads each change and says what is wrong. */
function useDraft(agent: AgentDetail | null) {
  const first = (agent?.definition as Definition | undefined) ?? blank;
  const start = agent?.yaml ?? JSON.stringify(blank, null, 2);
  const [definition, setDefinition] = useState(first);
  const [text, setText] = useState(start);
  const [errors, setErrors] = useState<Checked['errors']>([]);
  const asked = useRef(0);
  const timer = useRef(0);
  const ask = (yaml: string, then: (checked: Checked) => void) => {
    const mine = (asked.current += 1);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      api
        .post<Checked>('/agents/check', { yaml })
        .then((checked) => {
          if (mine !== asked.current) return;
          setErrors(checked.errors);
          then(checked);
        })
        .catch(() => undefined); // read-only readers may not ask; saving tells what is wrong
    }, 300);
  };
  useEffect(() => {
    // A new agent has no YAML of its own yet, and is not sound before it is filled in.
    if (!agent) ask(start, (checked) => checked.yaml && setText(checked.yaml));
    return () => window.clearTimeout(timer.current);
  }, []);
  return {
    definition,
    text,
    errors,
    changed: agent === null || text !== start,
    fill: (next: Definition) => {
      setDefinition(next);
      // JSON is YAML: what the form says is shown at once, and in the usual form once it can be read.
      const plain = JSON.stringify(next, null, 2);
      setText(plain);
      ask(plain, (checked) => checked.yaml && setText(checked.yaml));
    },
    write: (yaml: string) => {
      setText(yaml);
      ask(yaml, (checked) => checked.definition && setDefinition(checked.definition as Definition));
    },
  };
}
