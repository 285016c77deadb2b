import { useEffect, useMemo, useRef } from 'react';
import { smallPhoto } from '../lib/photos';

export const MOST_SHOTS = 6;

interface Props {
  value: Blob[];
  onChange: (shots: Blob[]) => void;
  /** Straight to the camera, where the photo must be of now. */
  camera?: boolean;
  labels: { add: string; photo: (number: number) => string; remove: string };
}

/** Photos as they are taken, made small at once so that they fit the phone and its network. */
export function Shots({ value, onChange, camera = false, labels }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const previews = useMemo(() => value.map((blob) => URL.createObjectURL(blob)), [value]);
  useEffect(() => () => previews.forEach((url) => URL.revokeObjectURL(url)), [previews]);

  const add = async (files: FileList | null) => {
    const small = await Promise.all([...(files ?? [])].map(smallPhoto));
    onChange([...value, ...small].slice(0, MOST_SHOTS));
    if (input.current) input.current.value = '';
  };

  return (
    <div className="shots">
      {previews.map((url, index) => (
        <figure key={url}>
          <img src={url} alt={labels.photo(index + 1)} />
          <button type="button" className="shot-remove" aria-label={`${labels.remove} ${index + 1}`} onClick={() => onChange(value.filter((_, at) => at !== index))}>
            ×
          </button>
        </figure>
      ))}
      {value.length < MOST_SHOTS && (
        <button type="button" className="shot-add" onClick={() => input.current?.click()}>
          <svg width="28" height="28" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinejoin="round" aria-hidden>
            <path d="M3 8a2 2 0 0 1 2-2h2.5L9 4h6l1.5 2H19a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z" />
            <circle cx="12" cy="12.5" r="3.6" />
          </svg>
          {labels.add}
        </button>
      )}
      <input ref={input} type="file" accept="image/*" {...(camera ? { capture: 'environment' as const } : {})} multiple className="unseen" tabIndex={-1} aria-label={labels.add} data-testid="photo-input" onChange={(event) => void add(event.target.files)} />
    </div>
  );
}
