import { Tabs } from 'antd';
import { lazy, Suspense } from 'react';
import type { Role } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { Commands } from './Commands';
import { DeviceImports } from './DeviceImports';
import { Discovered } from './Discovered';
import { DeviceDrawer } from './DeviceDrawer';
import { DeviceTable } from './DeviceTable';
import { QuarantineTable } from './QuarantineTable';

const DeviceMap = lazy(() => import('./DeviceMap'));
const tabs = ['list', 'map', 'commands', 'discovered', 'imports', 'quarantine'] as const;
const shownTo: Partial<Record<(typeof tabs)[number], readonly Role[]>> = {
  commands: ['duty_officer', 'steward', 'operator', 'auditor'],
  discovered: ['steward', 'operator', 'auditor'],
  imports: ['steward', 'operator'],
  quarantine: ['steward', 'operator', 'auditor'],
};

export default function DevicesPage() {
  const { t } = useTexts();
  const view = useView();
  const { has } = useSession();
  const shown = tabs.filter((each) => has(...(shownTo[each] ?? [])) || shownTo[each] === undefined);
  const tab = shown.find((each) => each === view.get('tab')) ?? 'list';
  return (
    <Page title={t('devices.title')} className="page-table">
      <Tabs
        activeKey={tab}
        onChange={(key) => view.set({ tab: key === 'list' ? null : key, page: null, q: null, state: null, after: null, import: null })}
        items={shown.map((key) => ({ key, label: t(`devices.${key}`) }))}
      />
      {tab === 'list' && <DeviceTable />}
      {tab === 'map' && (
        <Suspense fallback={null}>
          <DeviceMap onSelect={(id) => view.set({ device: id })} />
        </Suspense>
      )}
      {tab === 'commands' && <Commands />}
      {tab === 'discovered' && <Discovered />}
      {tab === 'imports' && <DeviceImports />}
      {tab === 'quarantine' && <QuarantineTable />}
      <DeviceDrawer id={view.get('device')} onClose={() => view.set({ device: null, metric: null })} />
    </Page>
  );
}
