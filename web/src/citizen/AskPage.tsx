import { useState, type FormEvent } from 'react';
import { api, ApiError } from '../api/client';
import type { components } from '../api/schema';
import { useTexts } from './texts';

type Answer = components['schemas']['PublicAnswer'];

/** A question to the city's public rules: quoted, or plainly not found; and always the way to a person. */
export function AskPage() {
  const { t, lang } = useTexts();
  const [question, setQuestion] = useState('');
  const [answer, setAnswer] = useState<Answer>();
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const ask = async (event: FormEvent) => {
    event.preventDefault();
    if (!question.trim()) return;
    setBusy(true);
    setProblem('');
    setAnswer(undefined);
    try {
      setAnswer(await api.post<Answer>('/public/ask', { question: question.trim() }));
    } catch (error) {
      setProblem(error instanceof ApiError ? error.text(lang) : t('ask.failed'));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void ask(event)} className="ask-form">
      <p className="lead">{t('ask.lead')}</p>
      <textarea value={question} onChange={(event) => setQuestion(event.target.value)} rows={3} maxLength={500} placeholder={t('ask.hint')} aria-label={t('ask')} data-testid="ask-question" />
      <button type="submit" className="primary" disabled={busy} data-testid="ask-submit">
        {t(busy ? 'sending' : 'ask')}
      </button>
      {problem && (
        <p className="wrong" role="alert">
          {problem}
        </p>
      )}
      {answer && (
        <section className="card" aria-live="polite" data-testid="ask-answer" data-found={answer.found}>
          <p className="answer-text">{answer.answer}</p>
          {answer.sources.map((source) => (
            <blockquote key={`${source.document_id} ${source.quote}`}>
              《{source.title}》{source.quote}
            </blockquote>
          ))}
          <p className="note">{answer.label}</p>
          <p>
            {answer.next === 'report' && <a href="#">{t('ask.report')}</a>} {answer.next === 'track' && <a href="#mine">{t('ask.track')}</a>} <a href={`tel:${answer.person}`}>{t('ask.person', { number: answer.person })}</a>
          </p>
        </section>
      )}
    </form>
  );
}
