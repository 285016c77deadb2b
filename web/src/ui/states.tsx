import { ReloadOutlined } from '@ant-design/icons';
import { Button, Empty, Result, Skeleton } from 'antd';
import type { ReactNode } from 'react';
import { useTexts, type MessageKey } from '../i18n';

export interface Answer<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

/** One answer's four faces: still loading, failed with a remedy, empty, or the thing itself. */
export function Answered<T>({
  answer,
  children,
  empty,
  emptyText = 'state.empty',
  rows = 4,
}: {
  answer: Answer<T>;
  children: (data: T) => ReactNode;
  empty?: (data: T) => boolean;
  emptyText?: MessageKey;
  rows?: number;
}) {
  const { t } = useTexts();
  if (answer.data !== undefined) {
    return empty?.(answer.data) ? <Nothing text={t(emptyText)} /> : children(answer.data);
  }
  if (answer.error) return <Failed error={answer.error} retry={() => void answer.refetch()} />;
  return <Skeleton active title={false} paragraph={{ rows }} className="pad" />;
}

export function Nothing({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={text}>
      {children}
    </Empty>
  );
}

export function Failed({ error, retry }: { error: unknown; retry: () => void }) {
  const { t, errorText } = useTexts();
  return (
    <Result
      status="warning"
      className="failed"
      title={errorText(error)}
      extra={
        <Button icon={<ReloadOutlined />} onClick={retry}>
          {t('state.retry')}
        </Button>
      }
    />
  );
}
