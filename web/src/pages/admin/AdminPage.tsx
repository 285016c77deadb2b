import { Tabs } from 'antd';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { AuditTab } from './AuditTab';
import { CalendarTab } from './CalendarTab';
import { CategoryRulesTab } from './CategoryRulesTab';
import { LimitsTab } from './LimitsTab';
import { ResponsibilitiesTab } from './ResponsibilitiesTab';
import { SystemTab } from './SystemTab';
import { ThresholdsTab } from './ThresholdsTab';
import { TokensTab } from './TokensTab';
import { UsersTab } from './UsersTab';

export default function AdminPage() {
  const { t } = useTexts();
  const { has } = useSession();
  const view = useView();
  const tabs = [
    { key: 'thresholds', shown: true, body: <ThresholdsTab /> },
    { key: 'responsibilities', shown: true, body: <ResponsibilitiesTab /> },
    { key: 'limits', shown: true, body: <LimitsTab /> },
    { key: 'rules', shown: true, body: <CategoryRulesTab /> },
    { key: 'calendar', shown: true, body: <CalendarTab /> },
    { key: 'users', shown: has('operator', 'auditor'), body: <UsersTab /> },
    { key: 'tokens', shown: has('operator', 'auditor'), body: <TokensTab /> },
    { key: 'system', shown: has('operator', 'auditor'), body: <SystemTab /> },
    { key: 'audit', shown: has('auditor'), body: <AuditTab /> },
  ] as const;
  const shown = tabs.filter((tab) => tab.shown);
  const current = shown.find(({ key }) => key === view.get('tab')) ?? shown[0];
  return (
    <Page title={t('nav.admin')} className="page-table">
      <Tabs activeKey={current?.key ?? ''} onChange={(key) => view.set({ tab: key, page: null, category: null })} items={shown.map(({ key }) => ({ key, label: t(`admin.${key}`) }))} />
      {current?.body}
    </Page>
  );
}
