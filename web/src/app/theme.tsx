import { ConfigProvider, theme as antdTheme, App as AntdApp, type ThemeConfig } from 'antd';
import { createContext, use, useEffect, useMemo, useState, type ReactNode } from 'react';
import { antdLocales, useTexts } from '../i18n';

export type Shade = 'dark' | 'light';
const storageKey = 'chengnao.theme';

const ShadeContext = createContext<{ shade: Shade; setShade: (shade: Shade) => void }>({
  shade: 'dark',
  setShade: () => undefined,
});

export const useShade = () => use(ShadeContext);

const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;

const fontFamily =
  '"Noto Sans CJK SC","Noto Sans SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif';

const tokens: Record<Shade, NonNullable<ThemeConfig['token']>> = {
  dark: {
    colorPrimary: '#1fa39c',
    colorInfo: '#1fa39c',
    colorBgBase: '#0e1319',
    colorBgLayout: '#0e1319',
    colorBgContainer: '#141b23',
    colorBgElevated: '#1a232d',
    colorBorder: '#2a3542',
    colorBorderDisabled: '#2a3542',
    colorBorderSecondary: '#212b36',
    colorTextBase: '#dbe3ea',
  },
  light: {
    colorPrimary: '#0c7f7a',
    colorInfo: '#0c7f7a',
    colorBgLayout: '#f3f5f7',
    colorBorder: '#d5dbe1',
    colorBorderSecondary: '#e6eaee',
    colorTextBase: '#17212b',
  },
};

export function ThemeProvider({ children }: { children: ReactNode }) {
  const { lang } = useTexts();
  const [shade, setShade] = useState<Shade>(() => (localStorage.getItem(storageKey) === 'light' ? 'light' : 'dark'));
  useEffect(() => {
    localStorage.setItem(storageKey, shade);
    document.documentElement.dataset.theme = shade;
  }, [shade]);
  const config = useMemo<ThemeConfig>(
    () => ({
      algorithm: shade === 'dark' ? antdTheme.darkAlgorithm : antdTheme.defaultAlgorithm,
      token: { ...tokens[shade], fontFamily, borderRadius: 6, motion: !calm },
      components: {
        Table: {
          cellPaddingBlockMD: 9,
          cellPaddingBlockSM: 7,
          headerBorderRadius: 0,
          headerSplitColor: 'transparent',
          headerSortActiveBg: 'transparent',
          bodySortBg: 'transparent',
        },
        Button: { primaryShadow: 'none', defaultShadow: 'none' },
      },
    }),
    [shade],
  );
  const value = useMemo(() => ({ shade, setShade }), [shade]);
  return (
    <ShadeContext value={value}>
      <ConfigProvider theme={config} locale={antdLocales[lang]} button={{ autoInsertSpace: false }}>
        <AntdApp component={false}>{children}</AntdApp>
      </ConfigProvider>
    </ShadeContext>
  );
}
