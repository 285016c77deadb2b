import { useEffect, useRef, useState } from 'react';
import { useTexts } from './texts';

const LONGEST_SECONDS = 120;

interface Props {
  value: { blob: Blob; seconds: number } | null;
  onChange: (voice: { blob: Blob; seconds: number } | null) => void;
}

/** Words spoken instead of written, where the phone can record and the platform takes recordings. */
export function Voice({ value, onChange }: Props) {
  const { t } = useTexts();
  const [recorder, setRecorder] = useState<MediaRecorder | null>(null);
  const [seconds, setSeconds] = useState(0);
  const [refused, setRefused] = useState(false);
  const chunks = useRef<Blob[]>([]);

  useEffect(() => {
    if (!recorder) return;
    const began = Date.now();
    const timer = window.setInterval(() => {
      const now = Math.round((Date.now() - began) / 1000);
      setSeconds(now);
      if (now >= LONGEST_SECONDS) recorder.stop();
    }, 500);
    recorder.onstop = () => {
      recorder.stream.getTracks().forEach((track) => track.stop());
      setRecorder(null);
      onChange({ blob: new Blob(chunks.current, { type: recorder.mimeType }), seconds: Math.max(1, Math.round((Date.now() - began) / 1000)) });
    };
    return () => window.clearInterval(timer);
    // `onChange` is new with each drawing; the recording goes on.
  }, [recorder]);

  if (!('mediaDevices' in navigator) || typeof MediaRecorder === 'undefined') return null;

  const start = async () => {
    try {
      const next = new MediaRecorder(await navigator.mediaDevices.getUserMedia({ audio: true }), { audioBitsPerSecond: 24_000 });
      chunks.current = [];
      next.ondataavailable = ({ data }) => chunks.current.push(data);
      setSeconds(0);
      setRefused(false);
      next.start(1000);
      setRecorder(next);
    } catch {
      setRefused(true);
    }
  };

  if (value) {
    return (
      <p className="row" data-testid="voice-kept">
        {t('voice.kept', { seconds: value.seconds })}
        <button type="button" onClick={() => onChange(null)}>
          {t('voice.remove')}
        </button>
      </p>
    );
  }
  return (
    <>
      <button type="button" className={recorder ? 'recording' : ''} onClick={() => (recorder ? recorder.stop() : void start())} data-testid="voice">
        {recorder ? t('voice.stop', { seconds }) : t('voice.start')}
      </button>
      {refused && <p role="alert">{t('voice.refused')}</p>}
    </>
  );
}
