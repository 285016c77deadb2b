import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import dayjs from 'dayjs';
import 'dayjs/locale/zh-cn';
import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import { spanOf } from '../lib/time';
import { en } from './en';
import { zh } from './zh';

export type Lang = 'zh' | 'en';
export type MessageKey = keyof typeof zh;
type Params = Record<string, string | number>;

const tables: Record<Lang, Record<MessageKey, string>> = { zh, en };
const storageKey = 'chengnao.lang';

function firstLang(): Lang {
  const asked = new URLSearchParams(window.location.search).get('lang') ?? localStorage.getItem(storageKey);
  return asked === 'en' ? 'en' : 'zh';
}

export interface Texts {
  lang: Lang;
  setLang: (lang: Lang) => void;
  t: (key: MessageKey, params?: Params) => string;
  /** The text for a code from the server, or the server's own word where we have none. */
  word: (group: string, code: string, fallback?: string | null) => string;
  errorText: (error: unknown) => string;
  span: (milliseconds: number) => string;
}

const TextsContext = createContext<Texts | null>(null);

export const antdLocales = { zh: zhCN, en: enUS };

function fill(text: string, params: Params): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

export function TextsProvider({ children }: { children: ReactNode }) {
  const [lang, setState] = useState<Lang>(firstLang);
  const setLang = useCallback((next: Lang) => {
    localStorage.setItem(storageKey, next);
    setState(next);
  }, []);
  useEffect(() => {
    document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
    document.title = `${tables[lang]['app.name']} · ${tables[lang]['app.subtitle']}`;
    dayjs.locale(lang === 'zh' ? 'zh-cn' : 'en');
  }, [lang]);
  const value = useMemo<Texts>(() => {
    const table = tables[lang];
    const t: Texts['t'] = (key, params = {}) => fill(table[key], params);
    const word: Texts['word'] = (group, code, fallback) =>
      (table as Record<string, string>)[`${group}.${code}`] ?? fallback ?? code;
    const span: Texts['span'] = (milliseconds) => {
      const { days, hours, minutes } = spanOf(milliseconds);
      if (days > 0) return t('span.days', { days, hours });
      if (hours > 0) return t('span.hours', { hours, minutes });
      return t('span.minutes', { minutes });
    };
    const errorText: Texts['errorText'] = (error) =>
      error instanceof ApiError ? error.text(lang) : t('error.unknown');
    return { lang, setLang, t, word, errorText, span };
  }, [lang, setLang]);
  return <TextsContext value={value}>{children}</TextsContext>;
}

export function useTexts(): Texts {
  const texts = use(TextsContext);
  if (!texts) throw new Error('useTexts needs a TextsProvider above it');
  return texts;
}
