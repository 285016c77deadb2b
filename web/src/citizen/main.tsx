import { StrictMode, useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { installWorker, startSending } from '../offline/sender';
import { Mark } from '../ui/Mark';
import { AskPage } from './AskPage';
import { FormPage } from './FormPage';
import { MatterPage } from './MatterPage';
import { MinePage } from './MinePage';
import { useRecords } from './records';
import { textsIn, TextsContext, type Lang } from './texts';
import '../styles/base.css';
import '../styles/shots.css';
import './citizen.css';

/** Where one is: after the #, so that a tracking number never stands in the server's log. */
function usePlace(): string {
  const [place, setPlace] = useState(window.location.hash.slice(1));
  useEffect(() => {
    const renew = () => {
      setPlace(window.location.hash.slice(1));
      window.scrollTo(0, 0);
    };
    window.addEventListener('hashchange', renew);
    return () => window.removeEventListener('hashchange', renew);
  }, []);
  return place;
}

function Citizen() {
  const [lang, setLang] = useState<Lang>(localStorage.getItem('chengnao.lang') === 'en' ? 'en' : 'zh');
  const texts = useMemo(() => textsIn(lang), [lang]);
  const { t } = texts;
  const place = usePlace();
  const records = useRecords();

  useEffect(() => {
    localStorage.setItem('chengnao.lang', lang);
    document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
    document.title = `${t('title')} · ${lang === 'zh' ? '城脑' : 'Chengnao'}`;
  }, [lang, t]);

  return (
    <TextsContext value={texts}>
      <header className="head">
        <a href="#" className="head-home">
          <Mark size={26} /> {t('title')}
        </a>
        <a href="#ask" data-testid="ask">
          {t('ask')}
        </a>
        <a href="#mine" data-testid="mine">
          {t('mine')} {records.length > 0 && <b>{records.length}</b>}
        </a>
        <button type="button" onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')} lang={lang === 'zh' ? 'en' : 'zh-CN'} data-testid="lang-switch">
          {t('other')}
        </button>
      </header>
      <main>
        {place === 'ask' ? <AskPage /> : place === 'mine' ? <MinePage records={records} /> : place ? <MatterPage key={place} at={place} records={records} /> : <FormPage />}
      </main>
    </TextsContext>
  );
}

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const shade = () => {
  document.documentElement.dataset.theme = dark.matches ? 'dark' : 'light';
};
dark.addEventListener('change', shade);
shade();
installWorker('/citizen');
startSending();

const root = document.getElementById('root');
if (!root) throw new Error('citizen.html has no #root');
createRoot(root).render(
  <StrictMode>
    <Citizen />
  </StrictMode>,
);
