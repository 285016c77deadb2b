import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Checkbox, Input, InputNumber, Segmented, Select } from 'antd';
import type { ReactNode } from 'react';
import { useGet } from '../../api/hooks';
import type { AgentRule, AgentTool } from '../../api/types';
import { useTexts } from '../../i18n';
import { capabilities } from './AgentsPage';
import type { Definition, ObjectSchema, Property } from './definition';

interface Props {
  value: Definition;
  fixedId: boolean;
  readOnly: boolean;
  onChange: (next: Definition) => void;
}

/** The form of an agent: what it is for, what it is given and gives, what it may use and how far it may go. */
export function DefinitionForm({ value, fixedId, readOnly, onChange }: Props) {
  const { t, word, lang } = useTexts();
  const tools = useGet<AgentTool[]>('/tools', {}, { staleTime: 60_000 });
  const rules = useGet<AgentRule[]>('/rules', {}, { staleTime: 60_000 });
  const set = (patch: Partial<Definition>) => onChange({ ...value, ...patch });
  const purpose = typeof value.purpose === 'string' ? { zh: value.purpose, en: value.purpose } : value.purpose;
  return (
    <fieldset className="definition" disabled={readOnly}>
      <div className="form-pair">
        <Field label={t('agent.id')}>
          <Input value={value.id} disabled={fixedId} onChange={(event) => set({ id: event.target.value.trim() })} placeholder="drain-inspection" maxLength={60} data-testid="agent-id" />
        </Field>
        <Field label={t('agent.capability')}>
          <Select value={value.capability} onChange={(capability) => set({ capability })} options={capabilities.map((each) => ({ value: each, label: word('capability', each) }))} aria-label={t('agent.capability')} />
        </Field>
        <Field label={t('agent.name.zh')}>
          <Input value={value.name.zh} onChange={(event) => set({ name: { ...value.name, zh: event.target.value } })} maxLength={60} data-testid="agent-name" />
        </Field>
        <Field label={t('agent.name.en')}>
          <Input value={value.name.en} onChange={(event) => set({ name: { ...value.name, en: event.target.value } })} maxLength={80} data-testid="agent-name-en" />
        </Field>
        <Field label={t('agent.purpose.zh')}>
          <Input value={purpose.zh} onChange={(event) => set({ purpose: { ...purpose, zh: event.target.value } })} maxLength={60} data-testid="agent-purpose" />
        </Field>
        <Field label={t('agent.purpose.en')}>
          <Input value={purpose.en} onChange={(event) => set({ purpose: { ...purpose, en: event.target.value } })} maxLength={80} data-testid="agent-purpose-en" />
        </Field>
      </div>
      <Field label={t('agent.instructions')} hint={t('agent.instructions.hint')}>
        <Input.TextArea value={value.instructions} onChange={(event) => set({ instructions: event.target.value })} autoSize={{ minRows: 4, maxRows: 14 }} maxLength={20000} data-testid="agent-instructions" />
      </Field>
      <Field label={t('agent.input')}>
        <Properties schema={value.input} onChange={(input) => set({ input })} />
      </Field>
      <Field label={t('agent.output')}>
        <Properties schema={value.output} onChange={(output) => set({ output })} />
      </Field>
      <Field label={t('agent.tools')}>
        <Select
          mode="multiple"
          value={value.tools ?? []}
          onChange={(next) => set({ tools: next })}
          options={(tools.data ?? []).map((tool) => ({ value: tool.name, label: `${tool.zh} · ${word('effect', tool.effect)}`, title: tool.description }))}
          optionFilterProp="label"
          placeholder={t('agent.tools.none')}
          data-testid="agent-tools"
          aria-label={t('agent.tools')}
        />
      </Field>
      <Field label={t('agent.autonomy')} hint={t(`autonomy.${value.autonomy ?? 'suggest'}.hint`)}>
        <Segmented
          value={value.autonomy ?? 'suggest'}
          onChange={(autonomy) => set({ autonomy })}
          options={(['suggest', 'act_with_approval', 'act'] as const).map((each) => ({ value: each, label: t(`autonomy.${each}`) }))}
        />
      </Field>
      <div className="form-four">
        {(['tokens', 'seconds', 'money', 'steps'] as const).map((each) => (
          <Field key={each} label={t(`limit.${each}`)}>
            <InputNumber min={0} value={value.limits?.[each] ?? null} onChange={(next) => set({ limits: { ...value.limits, ...(next === null ? {} : { [each]: next }) } })} />
          </Field>
        ))}
      </div>
      <div className="form-pair">
        <Field label={t('agent.route')}>
          <Input value={value.model?.route ?? 'chat'} onChange={(event) => set({ model: { ...value.model, route: event.target.value } })} />
        </Field>
        <Field label={t('agent.data')}>
          <Select value={value.model?.data ?? 'internal'} onChange={(data) => set({ model: { ...value.model, data } })} options={(['public', 'internal', 'sensitive'] as const).map((each) => ({ value: each, label: word('data', each) }))} aria-label={t('agent.data')} />
        </Field>
        <Field label={t('agent.fallback')} hint={t('agent.fallback.hint')}>
          <Select
            value={value.fallback.rule ? `rule:${value.fallback.rule}` : `human:${value.fallback.human ?? ''}`}
            onChange={(next) => set({ fallback: next.startsWith('rule:') ? { rule: next.slice(5) } : { human: next.slice(6) } })}
            options={[
              ...(['duty_officer', 'dispatcher', 'handler', 'steward'] as const).map((role) => ({ value: `human:${role}`, label: t('agent.fallback.human', { role: word('role', role) }) })),
              ...(rules.data ?? []).map((rule) => ({ value: `rule:${rule.name}`, label: t('agent.fallback.rule', { rule: rule.zh }) })),
            ]}
            aria-label={t('agent.fallback')}
          />
        </Field>
        <Field label={t('agent.evidence')}>
          <Checkbox checked={value.evidence !== 'optional'} onChange={(event) => set({ evidence: event.target.checked ? 'required' : 'optional' })}>
            {t('agent.evidence.required')}
          </Checkbox>
        </Field>
        <Field label={t('agent.evals.set')}>
          <Input value={value.evals?.set ?? ''} placeholder={t('agent.evals.none')} onChange={(event) => set({ evals: event.target.value ? { set: event.target.value, pass_mark: value.evals?.pass_mark ?? 0.8 } : null })} data-testid="agent-evals" />
        </Field>
        <Field label={t('agent.evals.mark')}>
          <InputNumber min={0} max={1} step={0.05} disabled={!value.evals} value={value.evals?.pass_mark ?? null} onChange={(mark) => value.evals && mark !== null && set({ evals: { ...value.evals, pass_mark: mark } })} />
        </Field>
      </div>
      {lang === 'zh' && <p className="muted">{t('agent.yaml.rest')}</p>}
    </fieldset>
  );
}

function Field({ label, hint, children }: { label: string; hint?: string; children: ReactNode }) {
  return (
    <div className="field">
      <span className="field-label">{label}</span>
      {children}
      {hint && <small className="muted">{hint}</small>}
    </div>
  );
}

const types = ['string', 'integer', 'number', 'boolean'] as const;

/** The fields of an object, one row each; what is more than a plain value is written in the YAML. */
function Properties({ schema, onChange }: { schema: ObjectSchema; onChange: (next: ObjectSchema) => void }) {
  const { t, word } = useTexts();
  const entries = Object.entries(schema.properties);
  const required = schema.required ?? [];
  const put = (list: [string, Property][], needed: string[]) => onChange({ ...schema, properties: Object.fromEntries(list), required: needed });
  const change = (index: number, name: string, property: Property) => {
    const before = entries[index]?.[0] ?? '';
    put(entries.map((each, at) => (at === index ? [name, property] : each)), required.map((each) => (each === before ? name : each)));
  };
  return (
    <div className="properties">
      {entries.map(([name, property], index) => {
        const plain = types.some((each) => each === property.type);
        return (
          <div className="property" key={index}>
            <Input value={name} onChange={(event) => change(index, event.target.value, property)} aria-label={t('property.name')} placeholder={t('property.name')} />
            {plain ? (
              <Select value={property.type ?? null} onChange={(type) => change(index, name, { ...property, type })} options={types.map((each) => ({ value: each, label: word('type', each) }))} aria-label={t('property.type')} />
            ) : (
              <span className="muted">{t('property.yaml')}</span>
            )}
            <Input value={property.description ?? ''} onChange={(event) => change(index, name, { ...property, description: event.target.value })} placeholder={t('property.description')} aria-label={t('property.description')} />
            <Checkbox checked={required.includes(name)} onChange={(event) => put(entries, event.target.checked ? [...required, name] : required.filter((each) => each !== name))}>
              {t('property.required')}
            </Checkbox>
            <Button type="text" icon={<DeleteOutlined />} aria-label={t('property.remove')} onClick={() => put(entries.filter((_, at) => at !== index), required.filter((each) => each !== name))} />
          </div>
        );
      })}
      <Button size="small" icon={<PlusOutlined />} onClick={() => put([...entries, [`field_${entries.length + 1}`, { type: 'string', maxLength: 500 }]], required)}>
        {t('property.add')}
      </Button>
    </div>
  );
}
