import { useState } from 'react';
import type { Device, Quarantined } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { PagedTable } from '../../ui/PagedTable';
import { FrameDrawer } from './FrameDrawer';

/** What came under the device's name and could not be taken in. */
export function DeviceFrames({ device }: { device: Device }) {
  const { t, word, lang } = useTexts();
  const [shown, setShown] = useState('');
  return (
    <>
      <PagedTable<Quarantined>
        path="/quarantine"
        query={{ source: device.protocol, device: device.address ?? device.id }}
        rowKey="id"
        columns={[
          {
            title: t('quarantine.received'),
            key: 'at',
            width: 150,
            render: (_, row) => (
              <button type="button" className="as-link num" onClick={() => setShown(row.id)}>
                {showTime(row.received_at)}
              </button>
            ),
          },
          { title: t('quarantine.reason'), key: 'reason', ellipsis: true, render: (_, row) => (lang === 'zh' ? row.reason_text : row.reason_text_en) },
          { title: t('quarantine.size'), key: 'size', width: 100, align: 'right', render: (_, row) => t('quarantine.bytes', { bytes: row.size }) },
          { title: t('field.state'), key: 'state', width: 110, render: (_, row) => word('quarantine.state', row.state) },
        ]}
      />
      <FrameDrawer id={shown} onClose={() => setShown('')} />
    </>
  );
}
