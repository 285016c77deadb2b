import { Alert, Button, Popconfirm, Tag } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { Credential, NewCredential } from '../../api/types';
import { useTexts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { useDo } from '../../ui/useDo';

/** Secrets with which a device sends for itself; a new one is shown once. */
export function Credentials({ path }: { path: string }) {
  const { t } = useTexts();
  const run = useDo(path);
  const [made, setMade] = useState<NewCredential>();
  const answer = useGet<Credential[]>(`${path}/credentials`);
  const make = async () => setMade(await run(() => api.post<NewCredential>(`${path}/credentials`)));
  return (
    <>
      {made && (
        <Alert
          type="success"
          data-testid="device-secret"
          message={t('device.credential.once')}
          description={
            <>
              {t('device.credential.user')} <code>{made.username}</code> · <code>{made.secret}</code>
            </>
          }
        />
      )}
      <ul className="plain">
        {(answer.data ?? []).map((each) => (
          <li key={each.id}>
            <span className="num">{showFullTime(each.created_at)}</span> {each.created_by} <Tag>{t(each.revoked_at ? 'device.credential.revoked' : 'device.credential.live')}</Tag>
            {each.revoked_at === null && (
              <Popconfirm title={t('device.credential.revoke')} onConfirm={() => void run(() => api.remove(`${path}/credentials/${each.id}`))}>
                <Button size="small" danger>
                  {t('device.credential.revoke')}
                </Button>
              </Popconfirm>
            )}
          </li>
        ))}
      </ul>
      <Button data-testid="credential-make" onClick={() => void make()}>
        {t('device.credential.make')}
      </Button>
    </>
  );
}
