import {
  AlertOutlined,
  ApiOutlined,
  BarChartOutlined,
  BellOutlined,
  CameraOutlined,
  CheckSquareOutlined,
  ClusterOutlined,
  ForkOutlined,
  GlobalOutlined,
  HddOutlined,
  HistoryOutlined,
  LogoutOutlined,
  MessageOutlined,
  MoonOutlined,
  PhoneOutlined,
  RadarChartOutlined,
  ReadOutlined,
  RobotOutlined,
  SettingOutlined,
  SunOutlined,
  UserOutlined,
} from '@ant-design/icons';
import { Button, Dropdown, Tooltip } from 'antd';
import { useState, type ReactNode } from 'react';
import { NavLink } from 'react-router';
import type { Role } from '../api/types';
import { useTexts, type MessageKey } from '../i18n';
import { useNow } from '../lib/clock';
import { cityTime } from '../lib/time';
import { WaitingBadge } from '../offline/Sending';
import { Mark } from '../ui/Mark';
import { FindAll } from './FindAll';
import { useLive } from './live';
import { OwnTokens } from './OwnTokens';
import { useSession } from './session';
import { useShade } from './theme';

/** Whose work is not in the street alone. */
const desk: Role[] = ['duty_officer', 'dispatcher', 'verifier', 'steward', 'operator', 'auditor', 'developer'];

/** In the order of the rail; where roles are named, only who has one of them sees the page. */
const pages: { path: string; key: MessageKey; icon: ReactNode; roles?: Role[] }[] = [
  { path: '/situation', key: 'nav.situation', icon: <RadarChartOutlined />, roles: desk },
  { path: '/intake', key: 'nav.intake', icon: <PhoneOutlined />, roles: ['dispatcher', 'duty_officer'] },
  { path: '/tasks', key: 'nav.tasks', icon: <CheckSquareOutlined /> },
  { path: '/patrol', key: 'nav.patrol', icon: <CameraOutlined />, roles: ['handler'] },
  { path: '/incidents', key: 'nav.incidents', icon: <AlertOutlined /> },
  { path: '/reports', key: 'nav.reports', icon: <MessageOutlined /> },
  { path: '/supervision', key: 'nav.supervision', icon: <BellOutlined />, roles: desk },
  { path: '/evaluation', key: 'nav.evaluation', icon: <BarChartOutlined />, roles: desk },
  { path: '/reviews', key: 'nav.reviews', icon: <HistoryOutlined />, roles: desk },
  { path: '/knowledge', key: 'nav.knowledge', icon: <ReadOutlined /> },
  { path: '/agents', key: 'nav.agents', icon: <RobotOutlined />, roles: desk },
  { path: '/models', key: 'nav.models', icon: <ClusterOutlined />, roles: ['operator', 'developer', 'auditor'] },
  { path: '/devices', key: 'nav.devices', icon: <HddOutlined />, roles: desk },
  { path: '/edges', key: 'nav.edges', icon: <ForkOutlined />, roles: ['operator', 'steward', 'auditor'] },
  { path: '/admin', key: 'nav.admin', icon: <SettingOutlined />, roles: ['operator', 'auditor', 'steward', 'dispatcher'] },
];

function Clock() {
  const { t } = useTexts();
  const { me } = useSession();
  const now = useNow();
  const time = cityTime(now);
  return (
    <div className="clock" title={t('clock.title')}>
      {me.demo && <span className="demo-badge">{t('demo.badge')}</span>}
      <time dateTime={time.toISOString()}>
        <span className="clock-date">{time.format('YYYY-MM-DD')}</span> {time.format('HH:mm:ss')}
      </time>
      {me.clock.speed !== 1 && <span className="clock-speed" title={t('clock.speed')}>×{me.clock.speed}</span>}
    </div>
  );
}

function LiveDot() {
  const { t } = useTexts();
  const { state } = useLive();
  const text = t(`live.${state}`);
  return (
    <Tooltip title={t(`live.${state}.hint`)}>
      <span className={`live live-${state}`} role="status">
        <i aria-hidden /> <span className="live-word">{text}</span>
      </span>
    </Tooltip>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const { t, lang, setLang } = useTexts();
  const { me, has, signOut } = useSession();
  const { shade, setShade } = useShade();
  const links = pages.filter((page) => !page.roles || has(...page.roles));
  const [clients, setClients] = useState(false);
  const otherShade = shade === 'dark' ? 'light' : 'dark';

  return (
    <div className="shell">
      <header className="topbar">
        <div className="brand">
          <Mark size={24} />
          <b>{t('app.name')}</b>
          <span className="brand-sub">{t('app.subtitle')}</span>
        </div>
        <Clock />
        <div className="topbar-end">
          <WaitingBadge />
          <FindAll />
          <LiveDot />
          <Button type="text" icon={<GlobalOutlined />} data-testid="lang-switch" aria-label={t('lang.switch')} onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')}>
            <span className="wide-only">{t('lang.other')}</span>
          </Button>
          <Tooltip title={t(`shade.${otherShade}`)}>
            <Button type="text" icon={shade === 'dark' ? <SunOutlined /> : <MoonOutlined />} aria-label={t(`shade.${otherShade}`)} onClick={() => setShade(otherShade)} />
          </Tooltip>
          <Dropdown
            trigger={['click']}
            menu={{
              items: [
                { key: 'who', disabled: true, label: [me.division?.name, me.unit?.name].filter(Boolean).join(' · ') || me.username },
                { type: 'divider' },
                { key: 'clients', icon: <ApiOutlined />, label: t('clients.title'), onClick: () => setClients(true) },
                { key: 'out', icon: <LogoutOutlined />, label: t('session.signout'), onClick: () => void signOut() },
              ],
            }}
          >
            <Button type="text" icon={<UserOutlined />} aria-label={t('session.menu')} data-testid="user-menu">
              <span className="wide-only">{me.display_name}</span>
            </Button>
          </Dropdown>
        </div>
      </header>
      <nav className="rail" aria-label={t('nav.label')}>
        {links.map((page) => (
          <NavLink key={page.path} to={page.path} data-testid={`nav-${page.path.slice(1)}`} className={({ isActive }) => (isActive ? 'rail-link active' : 'rail-link')}>
            {page.icon}
            <span>{t(page.key)}</span>
          </NavLink>
        ))}
      </nav>
      <main className="content">{children}</main>
      {clients && <OwnTokens onClose={() => setClients(false)} />}
    </div>
  );
}
