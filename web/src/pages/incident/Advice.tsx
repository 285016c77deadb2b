import { RobotOutlined } from '@ant-design/icons';
import { Button, Modal, Tag, Typography } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { Advice as AdviceAnswer, Explanation, Incident, Report, RunWithSteps } from '../../api/types';
import { useTexts } from '../../i18n';
import { LevelMark } from '../../ui/level';
import { Panel } from '../../ui/Page';
import { useCategoryName } from '../../ui/selects';
import { Answered } from '../../ui/states';
import { Result } from '../agents/RunView';

/** What rules, and an agent where one is asked, would do with a new incident; a person decides. */
export function Advice({ incident }: { incident: Incident }) {
  const { t } = useTexts();
  const categoryName = useCategoryName();
  const [asked, setAsked] = useState(false);
  const answer = useGet<AdviceAnswer>(`/incidents/${incident.id}/advice`, asked ? { model: true } : {}, { keep: true });
  return (
    <Panel title={t('advice.title')} extra={<Ask asked={asked} onAsk={() => setAsked(true)} />}>
      <Answered answer={answer} rows={2}>
        {(advice) => (
          <div className="advice" data-testid="advice">
            <p>
              <LevelMark level={advice.grade as 1 | 2 | 3 | 4} of="incident" long /> <b>{categoryName(advice.category, advice.category_name)}</b> {advice.unit_name && <Tag color="blue">{advice.unit_name}</Tag>}
            </p>
            <p className="muted">{advice.reason}</p>
            {advice.measure && <p>{t('advice.measure', { text: advice.measure })}</p>}
            {advice.cases.length > 0 && (
              <ul className="plain">
                {advice.cases.map((each) => (
                  <li key={each.id}>
                    <Link to={`/incidents/${each.id}`}>{each.title}</Link> <span className="muted">{each.result}</span>
                  </li>
                ))}
              </ul>
            )}
            <small className="muted">{advice.label}</small>
            {advice.run && <RunAnswer id={advice.run.id} />}
          </div>
        )}
      </Answered>
    </Panel>
  );
}

function Ask({ asked, onAsk }: { asked: boolean; onAsk: () => void }) {
  const { t } = useTexts();
  return (
    <Button size="small" icon={<RobotOutlined />} disabled={asked} onClick={onAsk} data-testid="ask-agent">
      {t('advice.ask')}
    </Button>
  );
}

/** The agent's answer once it is there. */
function RunAnswer({ id }: { id: string }) {
  const { t, word } = useTexts();
  const answer = useGet<RunWithSteps>(`/agents/runs/${id}`, {}, { refetchWhile: (run) => (run && ['done', 'failed', 'cancelled'].includes(run.state) ? false : 1000) });
  const run = answer.data;
  if (!run?.result) return <p className="muted">{run ? word('run.state', run.state, run.state_name) : t('run.state.queued')}</p>;
  return (
    <>
      <Result run={run} />
      <Link to={`/agents/runs/${run.id}`}>{t('run.title')}</Link>
    </>
  );
}

/** Why there is a warning and what helped before. */
export function WarningExplanation({ id }: { id: string }) {
  const { t } = useTexts();
  const [open, setOpen] = useState(false);
  const answer = useGet<Explanation>(open ? `/warnings/${id}/explanation` : null);
  return (
    <>
      <Button size="small" type="link" onClick={() => setOpen(true)} data-testid="explain">
        {t('advice.explain')}
      </Button>
      <Modal open={open} title={t('advice.explain')} footer={null} onCancel={() => setOpen(false)}>
        <Answered answer={answer}>
          {(found) => (
            <div className="advice">
              <p>{found.explanation}</p>
              <p>{found.action}</p>
              <ul className="evidence">
                {found.evidence.map((each) => (
                  <li key={`${each.kind} ${each.id}`}>
                    {each.title} {each.quote && <q>{each.quote}</q>}
                  </li>
                ))}
              </ul>
              <small className="muted">{found.label}</small>
            </div>
          )}
        </Answered>
      </Modal>
    </>
  );
}

/** A drafted answer to a report: it is read, mended and sent by a person. */
export function DraftAnswer({ report }: { report: Report }) {
  const { t, errorText } = useTexts();
  const [text, setText] = useState<string>();
  const [label, setLabel] = useState('');
  const draft = async () => {
    try {
      const made = await api.post<{ text: string; label: string }>(`/reports/${report.id}/draft-answer`, {});
      setText(made.text);
      setLabel(made.label);
    } catch (error) {
      setText(errorText(error));
    }
  };
  return (
    <>
      <Button size="small" type="link" onClick={() => void draft()} data-testid="draft-answer">
        {t('advice.draft')}
      </Button>
      <Modal open={text !== undefined} title={t('advice.draft')} footer={null} onCancel={() => setText(undefined)}>
        <Typography.Paragraph copyable className="pre">
          {text ?? ''}
        </Typography.Paragraph>
        <small className="muted">{label}</small>
      </Modal>
    </>
  );
}
