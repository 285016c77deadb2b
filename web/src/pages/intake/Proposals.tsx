import { Button } from 'antd';
import type { Understanding } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { LevelMark } from '../../ui/level';
import { Panel } from '../../ui/Page';
import { Nothing } from '../../ui/states';

interface Props {
  found: Understanding | null;
  chosen: (string | undefined)[];
  onChoose: (name: 'category' | 'division_code', value: string) => void;
  onSplit: () => void;
}

/** What the platform understood, each with its reason and the key that takes it. */
export function Proposals({ found, chosen, onChoose, onSplit }: Props) {
  const { t, lang } = useTexts();
  if (!found) {
    return (
      <Panel title={t('intake.understood')}>
        <Nothing text={t('intake.understood.none')} />
      </Panel>
    );
  }
  const say = (reasons: { zh: string; en: string }[]) => reasons.map((reason) => reason[lang]).join('；');
  return (
    <Panel title={t('intake.understood')} className="proposals">
      <h3>{t('field.category')}</h3>
      <ol>
        {found.alternatives.map((each, index) => (
          <li key={each.category}>
            <button type="button" className="proposal" tabIndex={-1} onClick={() => onChoose('category', each.category)} data-chosen={chosen.includes(each.category)}>
              <kbd>Alt+{index + 1}</kbd> <b>{each.name}</b> <span className="num muted">{Math.round(each.confidence * 100)}%</span>
            </button>
          </li>
        ))}
      </ol>
      <p className="muted">{say(found.category_reasons)}</p>
      <h3>{t('field.grade')}</h3>
      <p>
        <LevelMark level={found.grade as 1 | 2 | 3 | 4} of="incident" long /> <span className="muted">{say(found.grade_reasons)}</span>
      </p>
      {found.divisions.length > 0 && (
        <>
          <h3>{t('field.division')}</h3>
          <ol>
            {found.divisions.slice(0, 3).map((place, index) => (
              <li key={place.code}>
                <button type="button" className="proposal" tabIndex={-1} onClick={() => onChoose('division_code', place.code)} data-chosen={chosen.includes(place.code)}>
                  <kbd>Alt+{index + 4}</kbd> <b>{place.full_name}</b> <span className="muted">“{place.words}”</span>
                </button>
              </li>
            ))}
          </ol>
        </>
      )}
      {found.times.length > 0 && (
        <p>
          {t('intake.times')} {found.times.map((time) => `${time.words}${time.start ? `（${showTime(time.start)}）` : ''}`).join('、')}
        </p>
      )}
      {found.parties.length > 0 && (
        <p>
          {t('intake.parties')} {found.parties.map(({ name }) => name).join('、')}
        </p>
      )}
      {found.matters.length > 1 && (
        <>
          <h3>{t('intake.matters', { count: found.matters.length })}</h3>
          <ol>
            {found.matters.map((matter) => (
              <li key={matter.text}>
                {matter.text} <span className="muted">{matter.name}</span>
              </li>
            ))}
          </ol>
          <Button size="small" tabIndex={-1} onClick={onSplit}>
            {t('intake.split')} <kbd>Alt+F</kbd>
          </Button>
        </>
      )}
    </Panel>
  );
}
