import { Button, Result } from 'antd';
import { Component, type ReactNode } from 'react';
import { useTexts } from '../i18n';

function Broken() {
  const { t } = useTexts();
  return (
    <Result
      status="warning"
      className="failed"
      title={t('error.unknown')}
      extra={<Button onClick={() => window.location.reload()}>{t('state.reload')}</Button>}
    />
  );
}

/**
 * Keeps the frame standing when a page breaks, or when a newer console has replaced the files that
 * this one was about to load. Going to another page clears it.
 */
export class Boundary extends Component<{ at: string; children: ReactNode }, { brokenAt: string | null }> {
  override state = { brokenAt: null as string | null };

  static getDerivedStateFromError(): { brokenAt: string } {
    return { brokenAt: window.location.pathname };
  }

  override render(): ReactNode {
    return this.state.brokenAt === this.props.at ? <Broken /> : this.props.children;
  }
}
