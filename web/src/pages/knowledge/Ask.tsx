import { SearchOutlined } from '@ant-design/icons';
import { Alert, App, Button, Input, Select, Space, Tag } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { FoundPassage, GroundedAnswer } from '../../api/types';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { useBases, Validity } from './KnowledgePage';

/** One question to the texts: an answer with its sources, and the passages that were found for it. */
export function Ask() {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const view = useView();
  const bases = useBases();
  const [question, setQuestion] = useState(view.get('q'));
  const [answer, setAnswer] = useState<GroundedAnswer>();
  const [busy, setBusy] = useState(false);
  const [q, base] = [view.get('q'), view.get('base')];
  const passages = useGet<FoundPassage[]>(q ? '/knowledge/search' : null, { q, base_id: base, n: 10 });
  const ask = async () => {
    if (!question.trim()) return;
    view.set({ q: question.trim() });
    setBusy(true);
    setAnswer(undefined);
    try {
      setAnswer(await api.post<GroundedAnswer>('/knowledge/ask', { question: question.trim(), base_ids: base ? [base] : [] }));
    } catch (error) {
      void message.error(errorText(error), 6);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <Space.Compact className="ask">
        <Select allowClear value={base || null} placeholder={t('knowledge.all')} aria-label={t('knowledge.base')} onChange={(value) => view.set({ base: value })} options={(bases.data?.items ?? []).map((each) => ({ value: each.id, label: each.name }))} />
        <Input value={question} onChange={(event) => setQuestion(event.target.value)} onPressEnter={() => void ask()} placeholder={t('knowledge.question')} aria-label={t('knowledge.question')} maxLength={500} data-testid="question" autoFocus />
        <Button type="primary" icon={<SearchOutlined />} loading={busy} onClick={() => void ask()} data-testid="ask">
          {t('knowledge.ask')}
        </Button>
      </Space.Compact>
      {answer && <Grounded answer={answer} />}
      {q && (
        <Panel title={t('knowledge.passages')}>
          <Answered answer={passages} empty={(found) => found.length === 0} emptyText="knowledge.nothing">
            {(found) => (
              <ol className="passages">
                {found.map((each) => (
                  <li key={each.passage.id} id={each.passage.id}>
                    <div className="step-head">
                      <Link to={`/knowledge/documents/${each.document.id}`}>{each.document.title}</Link>
                      <span className="muted">{each.passage.label}</span>
                      <Validity document={each.document} />
                      {each.passage.suspect && <Tag color="orange">{t('knowledge.suspect')}</Tag>}
                    </div>
                    <p>{each.passage.text}</p>
                  </li>
                ))}
              </ol>
            )}
          </Answered>
        </Panel>
      )}
    </div>
  );
}

/** An answer whose every sentence stands on a text that one can open. */
export function Grounded({ answer }: { answer: GroundedAnswer }) {
  const { t, word } = useTexts();
  return (
    <section className="answer" data-testid="grounded" data-found={answer.found}>
      <header>
        <b>{t(answer.found ? 'knowledge.answer' : 'knowledge.not_found')}</b>
        {answer.found && <Tag color={answer.by === 'model' ? 'blue' : 'green'}>{word('grounded.by', answer.by)}</Tag>}
        {answer.by === 'model' && <em>{t('ai.label')}</em>}
      </header>
      {answer.sentences.map((sentence, index) => (
        <div key={index} className="sentence">
          <p>{sentence.text}</p>
          <ul className="evidence">
            {sentence.citations.map((citation) => (
              <li key={citation.passage_id}>
                <Link to={`/knowledge/documents/${citation.document.id}`}>{citation.document.title}</Link> <span className="muted">{citation.label}</span>
                <q>{citation.quote}</q>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {!answer.found && <p>{answer.text}</p>}
      {answer.outdated.map((each) => (
        <Alert key={each.passage_id} type="info" showIcon title={t('knowledge.outdated', { title: each.document.title, label: each.label })} description={each.quote} />
      ))}
      {answer.suspects.length > 0 && <Alert type="warning" showIcon title={t('knowledge.suspects', { count: answer.suspects.length })} />}
      {answer.conflicts.map((conflict, index) => (
        <Alert key={index} type="warning" showIcon title={t('knowledge.conflict')} description={conflictText(conflict)} />
      ))}
    </section>
  );
}

function conflictText(conflict: GroundedAnswer['conflicts'][number]): string {
  return [conflict.first, conflict.second].map((side) => `《${side.document.title}》${side.label}：${side.quote}`).join('；');
}
