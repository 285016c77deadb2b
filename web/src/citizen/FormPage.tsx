import { useEffect, useRef, useState, type FormEvent } from 'react';
import { add } from '../offline/outbox';
import { sendNow } from '../offline/sender';
import { MOST_SHOTS, Shots } from '../offline/Shots';
import { DRAFT, emptyDraft, keepDraft, readDraft, type Draft } from './draft';
import { PlaceFields } from './PlaceFields';
import { useTexts, type Key } from './texts';
import { Voice } from './Voice';

const PHONE = /^[0-9+ -]{5,20}$/;

type Problems = Partial<Record<'content' | 'place' | 'phone', Key>>;

function problemsOf(draft: Draft): Problems {
  return {
    ...(draft.content.trim() || draft.voice ? {} : { content: 'content.missing' as const }),
    ...(draft.lon !== null || draft.division_code ? {} : { place: 'place.missing' as const }),
    ...(draft.reporter_phone && !PHONE.test(draft.reporter_phone) ? { phone: 'phone.wrong' as const } : {}),
  };
}

/** One page, no account: what, where, and off it goes, with a network or without. */
export function FormPage() {
  const { t } = useTexts();
  const [draft, setDraft] = useState<Draft>(emptyDraft);
  const [tried, setTried] = useState(false);
  const [full, setFull] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    void readDraft().then((found) => found && setDraft({ ...emptyDraft, ...found }), () => undefined);
  }, []);
  const change = (part: Partial<Draft>) =>
    setDraft((before) => {
      const next = { ...before, ...part };
      void keepDraft(next).catch(() => undefined);
      return next;
    });

  const problems = tried ? problemsOf(draft) : {};

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(problemsOf(draft)).length > 0) {
      window.setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
      return;
    }
    const { shots, voice, content, lon, lat, ...rest } = draft;
    const text = content.trim();
    const given = Object.fromEntries(Object.entries(rest).filter(([name, value]) => name !== 'key' && value !== ''));
    try {
      const key = await add({
        owner: '',
        lane: `citizen:${Date.now()}`,
        path: '/public/reports',
        versioned: false,
        body: { content: text, lon, lat, ...given },
        files: [
          ...shots.map((blob) => ({ blob, path: '/public/photos', field: 'photo_ids' })),
          ...(voice ? [{ blob: voice.blob, path: '/public/audio', field: 'audio_id' }] : []),
        ],
        action: t('title'),
        title: text.slice(0, 60) || t('voice.only'),
        draft: DRAFT,
      });
      sendNow();
      window.location.hash = key;
    } catch {
      setFull(true);
    }
  };

  return (
    <form ref={form} onSubmit={(event) => void submit(event)} noValidate>
      <p className="lead">{t('lead')}</p>
      <p className="urgent">{t('urgent')}</p>
      <fieldset>
        <legend>{t('photos', { n: MOST_SHOTS })}</legend>
        <Shots
          value={draft.shots}
          onChange={(shots) => change({ shots })}
          labels={{ add: t('photo.add'), photo: (n) => t('photo.n', { n }), remove: t('photo.remove') }}
        />
      </fieldset>
      <fieldset>
        <label>
          <span className="legend">{t('content')}</span>
          <textarea rows={4} maxLength={2000} value={draft.content} placeholder={t('content.hint')} aria-invalid={Boolean(problems.content)} onChange={(event) => change({ content: event.target.value })} data-testid="content" />
        </label>
        <Voice value={draft.voice} onChange={(voice) => change({ voice })} />
        <Problem of={problems.content} />
      </fieldset>
      <fieldset>
        <legend>{t('place')}</legend>
        <PlaceFields value={draft} onChange={change} invalid={Boolean(problems.place)} />
        <Problem of={problems.place} />
      </fieldset>
      <details open={Boolean(problems.phone) || undefined}>
        <summary>{t('contact')}</summary>
        <label>
          {t('name')}
          <input value={draft.reporter_name} maxLength={50} autoComplete="name" onChange={(event) => change({ reporter_name: event.target.value })} data-testid="name" />
        </label>
        <label>
          {t('phone')}
          <input value={draft.reporter_phone} maxLength={20} type="tel" autoComplete="tel" aria-invalid={Boolean(problems.phone)} onChange={(event) => change({ reporter_phone: event.target.value })} data-testid="phone" />
        </label>
        <Problem of={problems.phone} />
      </details>
      <p className="muted privacy">{t('privacy')}</p>
      <Problem of={full ? 'full' : undefined} />
      <button type="submit" className="primary" data-testid="submit">
        {t('submit')}
      </button>
    </form>
  );
}

function Problem({ of }: { of: Key | undefined }) {
  const { t } = useTexts();
  return of ? (
    <p className="tone-over" role="alert">
      {t(of)}
    </p>
  ) : null;
}
