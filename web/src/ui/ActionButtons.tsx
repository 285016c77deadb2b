import { Button, Space } from 'antd';
import { useState } from 'react';
import type { Action, Incident } from '../api/types';
import { useTexts } from '../i18n';
import { useAction } from './actions';

interface Props {
  incident: Pick<Incident, 'id' | 'actions'>;
  size?: 'small' | 'middle' | 'large';
  limit?: number;
}

/** The steps that the server allows this person now, the expected one first. */
export function ActionButtons({ incident, size = 'middle', limit }: Props) {
  const { word } = useTexts();
  const start = useAction();
  const [busy, setBusy] = useState('');
  const ordered = [...incident.actions].sort((a, b) => Number(b.primary) - Number(a.primary)).slice(0, limit);
  const press = async ({ action }: Action) => {
    setBusy(action);
    await start(incident.id, action);
    setBusy('');
  };
  return (
    <Space size={8} wrap>
      {ordered.map((each) => (
        <Button
          key={each.action}
          size={size}
          type={each.primary ? 'primary' : 'default'}
          danger={each.action === 'dismiss'}
          loading={busy === each.action}
          onClick={() => void press(each)}
          data-testid={`action-${each.action}`}
        >
          {word('action', each.action, each.name)}
        </Button>
      ))}
    </Space>
  );
}
