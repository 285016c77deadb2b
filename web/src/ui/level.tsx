import type { Level } from '../api/types';
import { useTexts } from '../i18n';

/** A level is told by colour, shape and word together, so that no one of them has to be seen. */
export const levelColour: Record<Level, string> = {
  1: '#e5484d',
  2: '#f0821e',
  3: '#e3b008',
  4: '#4a8df8',
};

/** Outlines in a 24 by 24 box: octagon, triangle, diamond, circle. */
export const levelShape: Record<Level, string> = {
  1: 'M8 2h8l6 6v8l-6 6H8l-6-6V8z',
  2: 'M12 2.5 22.5 21H1.5z',
  3: 'M12 1.5 22.5 12 12 22.5 1.5 12z',
  4: 'M12 2.5a9.5 9.5 0 1 1 0 19 9.5 9.5 0 1 1 0-19z',
};

export const asLevel = (value: unknown): Level =>
  value === 1 || value === 2 || value === 3 || value === 4 ? value : 4;

export function LevelShape({ level, size = 14, hollow = false }: { level: Level; size?: number; hollow?: boolean }) {
  return (
    <svg width={size} height={size} viewBox="-1 -1 26 26" aria-hidden className="level-shape">
      <path
        d={levelShape[level]}
        fill={hollow ? 'none' : levelColour[level]}
        stroke={levelColour[level]}
        strokeWidth={hollow ? 4 : 0}
        strokeLinejoin="round"
      />
    </svg>
  );
}

interface MarkProps {
  level: Level;
  /** A warning speaks of colours, an incident of its grade. */
  of?: 'warning' | 'incident';
  long?: boolean;
}

export function LevelMark({ level, of = 'warning', long = false }: MarkProps) {
  const { t } = useTexts();
  const word = of === 'incident' && long ? t(`grade.${level}`) : t(`level.${level}`);
  return (
    <span className={`level level-${level}`} title={of === 'incident' ? t(`grade.${level}`) : t(`level.long.${level}`)}>
      <LevelShape level={level} hollow={of === 'warning'} />
      <span className="level-word">{long && of === 'warning' ? t(`level.long.${level}`) : word}</span>
    </span>
  );
}
