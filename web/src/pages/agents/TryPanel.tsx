import { PlayCircleOutlined } from '@ant-design/icons';
import { App, Button, Input, InputNumber, Select, Switch } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { AgentDetail, Run, RunWithSteps } from '../../api/types';
import { useTexts } from '../../i18n';
import { Panel } from '../../ui/Page';
import { KeepAsItem } from './Evals';
import type { Definition, Property } from './definition';
import { RunView } from './RunView';

interface Props {
  agent: AgentDetail | null;
  definition: Definition;
  /** The draft, where it differs from what is kept. */
  text: string | null;
  mayWrite: boolean;
}

/** Runs the agent as it stands in the workshop; what has an effect is not done in a trial. */
export function TryPanel({ agent, definition, text, mayWrite }: Props) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const [values, setValues] = useState<Record<string, unknown>>({});
  const [busy, setBusy] = useState(false);
  const [run, setRun] = useState('');
  const start = async () => {
    setBusy(true);
    try {
      const which = text !== null ? { draft: text } : mayWrite && agent ? { version: agent.version } : {};
      const input = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '' && value !== null && value !== undefined));
      const made = await api.post<Run>(`/agents/${agent?.id ?? definition.id}/runs`, { input, trial: mayWrite, ...which }, crypto.randomUUID());
      setRun(made.id);
    } catch (error) {
      void message.error(errorText(error), 8);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="workshop">
      <Panel title={t('try.input')} extra={text !== null && <span className="muted">{t('try.draft')}</span>}>
        <div className="definition">
          {Object.entries(definition.input.properties).map(([name, property]) => (
            <div className="field" key={name}>
              <span className="field-label">
                {property.description ?? name} {definition.input.required?.includes(name) && <b aria-hidden>*</b>}
              </span>
              <Value name={name} property={property} value={values[name]} onChange={(value) => setValues({ ...values, [name]: value })} />
            </div>
          ))}
          <Button type="primary" icon={<PlayCircleOutlined />} loading={busy} onClick={() => void start()} data-testid="try-run">
            {t('try.run')}
          </Button>
        </div>
      </Panel>
      <Panel title={t('try.output')}>{run ? <Tried id={run} agent={agent} /> : <p className="muted">{t('try.hint')}</p>}</Panel>
    </div>
  );
}

function Tried({ id, agent }: { id: string; agent: AgentDetail | null }) {
  const run = useGet<RunWithSteps>(`/agents/runs/${id}`);
  return (
    <>
      <RunView id={id} />
      {agent?.may.includes('evaluate') && run.data?.state === 'done' && <KeepAsItem agent={agent} run={run.data} />}
    </>
  );
}

function Value({ name, property, value, onChange }: { name: string; property: Property; value: unknown; onChange: (value: unknown) => void }) {
  const common = { 'aria-label': property.description ?? name, 'data-testid': `try-${name}` };
  if (property.enum) {
    return <Select {...common} allowClear value={value ?? null} onChange={onChange} options={property.enum.map((each) => ({ value: each, label: String(each) }))} />;
  }
  if (property.type === 'boolean') return <Switch checked={value === true} onChange={onChange} />;
  if (property.type === 'integer' || property.type === 'number') {
    return <InputNumber {...common} value={(value as number | undefined) ?? null} onChange={onChange} {...(property.type === 'integer' ? { precision: 0 } : {})} />;
  }
  if (property.type === 'string') {
    const long = (property.maxLength ?? 500) > 120;
    const change = (event: { target: { value: string } }) => onChange(event.target.value);
    return long ? (
      <Input.TextArea {...common} value={(value as string | undefined) ?? ''} onChange={change} autoSize={{ minRows: 2, maxRows: 10 }} maxLength={property.maxLength ?? 20000} />
    ) : (
      <Input {...common} value={(value as string | undefined) ?? ''} onChange={change} maxLength={property.maxLength ?? 500} />
    );
  }
  return <JsonValue {...common} onChange={onChange} />;
}

/** A list or an object, written as JSON. */
function JsonValue({ onChange, ...common }: { onChange: (value: unknown) => void }) {
  const { t } = useTexts();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  return (
    <>
      <Input.TextArea
        {...common}
        value={text}
        status={wrong ? 'error' : ''}
        autoSize={{ minRows: 2, maxRows: 10 }}
        placeholder="JSON"
        onChange={(event) => {
          setText(event.target.value);
          try {
            onChange(event.target.value.trim() ? JSON.parse(event.target.value) : undefined);
            setWrong(false);
          } catch {
            setWrong(true);
          }
        }}
      />
      {wrong && <small className="muted">{t('try.json')}</small>}
    </>
  );
}
