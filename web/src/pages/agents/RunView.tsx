import { Alert, App, Button, Collapse, Input, Space, Tag } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Run, RunStep, RunWithSteps } from '../../api/types';
import { useTexts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { Answered } from '../../ui/states';
import { ApprovalCard } from './Approvals';

const ended = (run: Run) => run.state === 'done' || run.state === 'failed' || run.state === 'cancelled';

/** One run as it goes on: what it was given, what it gave and on what grounds, and each step of the way. */
export function RunView({ id }: { id: string }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const answer = useGet<RunWithSteps>(`/agents/runs/${encodeURIComponent(id)}`, {}, { refetchWhile: (run) => (run && ended(run) ? false : 1000) });
  const cancel = async () => {
    try {
      await api.post(`/agents/runs/${id}/cancel`);
    } catch (error) {
      void message.error(errorText(error), 6);
    }
    renew(['/agents/runs']);
  };
  return (
    <Answered answer={answer}>
      {(run) => (
        <div className="run" data-testid="run" data-state={run.state}>
          <div className="run-head">
            <RunState run={run} />
            {run.trial && <Tag>{t('run.trial')}</Tag>}
            <span className="muted num">
              {t('run.cost', { tokens: run.tokens, money: run.money.toFixed(4) })}
            </span>
            {!ended(run) && (
              <Button size="small" danger onClick={() => void cancel()}>
                {t('run.cancel')}
              </Button>
            )}
          </div>
          {run.withheld && <Alert type="info" showIcon title={t('run.withheld')} />}
          {run.purged && <Alert type="info" showIcon title={t('run.purged')} />}
          {run.error && <Fault error={run.error} type="error" />}
          {run.reason && <Fault error={run.reason} type="warning" />}
          {run.approvals.filter((each) => each.state === 'open').map((each) => (
            <ApprovalCard key={each.id} approval={each} />
          ))}
          {run.result && <Result run={run} />}
          {ended(run) && <Feedback run={run} />}
          <h3>{t('run.steps', { count: run.steps.length })}</h3>
          <ol className="steps">
            {run.steps.map((step) => (
              <StepRow key={step.seq} step={step} />
            ))}
          </ol>
          <p className="muted trace-id">
            {t('run.trace')} <code>{run.trace_id}</code> · {run.agent_id}@{run.version}
          </p>
        </div>
      )}
    </Answered>
  );
}

export function RunState({ run }: { run: Run }) {
  const { word } = useTexts();
  const color = { queued: 'default', running: 'processing', waiting: 'warning', done: 'success', failed: 'error', cancelled: 'default' }[run.state];
  return (
    <Tag color={color} data-testid="run-state">
      {word('run.state', run.state, run.state_name)}
    </Tag>
  );
}

function Fault({ error, type }: { error: Record<string, unknown>; type: 'error' | 'warning' }) {
  const { lang } = useTexts();
  const text = error[lang === 'zh' ? 'message' : 'message_en'] ?? error.message ?? error.code;
  return <Alert type={type} showIcon title={String(text)} />;
}

/** The answer, who gave it, how sure it is, and what it rests on. */
export function Result({ run }: { run: Run }) {
  const { t, word } = useTexts();
  return (
    <section className="answer" data-testid="run-result">
      <header>
        <b>{t('run.result')}</b>
        {run.by && <Tag color={run.by === 'model' ? 'blue' : 'green'}>{word('run.by', run.by, run.by_name)}</Tag>}
        {run.confidence !== null && <span className="muted">{t('run.confidence', { percent: Math.round(run.confidence * 100) })}</span>}
        {run.ai_label && <em>{run.ai_label}</em>}
      </header>
      <Values values={run.result ?? {}} />
      {run.evidence.length > 0 && (
        <ul className="evidence">
          {run.evidence.map((each) => (
            <li key={`${each.kind} ${each.id}`}>
              <Tag>{word('evidence', each.kind)}</Tag>
              {each.title || each.id}
              {each.quote && <q>{each.quote}</q>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** The fields of a result as a person reads them. */
function Values({ values }: { values: Record<string, unknown> }) {
  return (
    <dl className="values">
      {Object.entries(values).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{typeof value === 'object' && value !== null ? <pre>{JSON.stringify(value, null, 2)}</pre> : String(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function StepRow({ step }: { step: RunStep }) {
  const { t, word } = useTexts();
  const tokens = step.prompt_tokens + step.completion_tokens;
  return (
    <li className={`step step-${step.kind}`}>
      <div className="step-head">
        <Tag color={{ model: 'blue', tool: 'cyan', rule: 'green', approval: 'orange' }[step.kind]}>{word('run.step', step.kind, step.kind_name)}</Tag>
        <b>{step.name}</b>
        {step.model && <span className="muted">{step.model}</span>}
        <span className="muted num">
          {step.milliseconds} ms{tokens > 0 && ` · ${tokens} tokens`}
        </span>
        <time className="muted num" dateTime={step.at}>
          {showFullTime(step.at)}
        </time>
      </div>
      {step.error && <Fault error={step.error} type="error" />}
      {step.flags.map((flag, index) => (
        <Alert key={index} type="warning" showIcon title={t('run.flag')} description={String(flag.text ?? flag.quote ?? JSON.stringify(flag))} />
      ))}
      {(step.input !== null || step.output !== null) && (
        <Collapse
          ghost
          size="small"
          items={[
            { key: 'input', label: t('run.step.input'), children: <pre>{pretty(step.input)}</pre> },
            { key: 'output', label: t('run.step.output'), children: <pre>{pretty(step.output)}</pre> },
          ]}
        />
      )}
    </li>
  );
}

function pretty(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function Feedback({ run }: { run: Run }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [comment, setComment] = useState('');
  const say = async (useful: boolean) => {
    try {
      await api.post(`/agents/runs/${run.id}/feedback`, { useful, comment });
      renew(['/agents']);
    } catch (error) {
      void message.error(errorText(error), 6);
    }
  };
  if (run.feedback) {
    return (
      <p className="muted">
        {run.feedback.by_name}：{t(run.feedback.useful ? 'run.useful' : 'run.useless')} {run.feedback.comment}
      </p>
    );
  }
  return (
    <Space wrap className="feedback">
      <Input value={comment} onChange={(event) => setComment(event.target.value)} maxLength={500} placeholder={t('run.comment')} aria-label={t('run.comment')} />
      <Button onClick={() => void say(true)} data-testid="useful">
        {t('run.useful')}
      </Button>
      <Button onClick={() => void say(false)}>{t('run.useless')}</Button>
    </Space>
  );
}
