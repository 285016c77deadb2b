import { useState } from 'react';
import { ApiError } from '../api/client';
import { rate, type Matter } from './api';
import { useTexts } from './texts';

/** What the reporter says of the answer; "not solved" opens the matter again. */
export function RatingForm({ number, code, onRated }: { number: string; code: string; onRated: (matter: Matter) => void }) {
  const { t, lang } = useTexts();
  const [solved, setSolved] = useState<boolean | null>(null);
  const [satisfaction, setSatisfaction] = useState<number | null>(null);
  const [comment, setComment] = useState('');
  const [error, setError] = useState('');
  const send = async () => {
    if (solved === null || satisfaction === null) return;
    try {
      onRated(await rate(number, code, { solved, satisfaction, comment }));
    } catch (cause) {
      setError(cause instanceof ApiError ? cause.text(lang) : String(cause));
    }
  };
  return (
    <form
      className="rating"
      data-testid="rating"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <fieldset>
        <legend>{t('rate.title')}</legend>
        <div className="pair">
          {[true, false].map((each) => (
            <label key={String(each)} className="choice">
              <input type="radio" name="solved" checked={solved === each} onChange={() => setSolved(each)} data-testid={each ? 'solved' : 'unsolved'} />
              {t(each ? 'rate.solved' : 'rate.unsolved')}
            </label>
          ))}
        </div>
        <small className="muted">{t('rate.reopens')}</small>
      </fieldset>
      <fieldset>
        <legend>{t('rate.stars')}</legend>
        <div className="stars">
          {[1, 2, 3, 4, 5].map((each) => (
            <label key={each} className="choice">
              <input type="radio" name="satisfaction" checked={satisfaction === each} onChange={() => setSatisfaction(each)} aria-label={t('rate.star', { n: each })} data-testid={`star-${each}`} />
              {each}
            </label>
          ))}
        </div>
      </fieldset>
      <label>
        {t('rate.comment')}
        <textarea rows={2} maxLength={500} value={comment} onChange={(event) => setComment(event.target.value)} />
      </label>
      {error && (
        <p className="tone-over" role="alert">
          {error}
        </p>
      )}
      <button type="submit" className="primary" disabled={solved === null || satisfaction === null} data-testid="rate">
        {t('rate.submit')}
      </button>
    </form>
  );
}
