import { App, Button, Input, Space, Tag } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Approval } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showFullTime, showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { StateSelect } from '../../ui/StateSelect';

const states = ['open', 'granted', 'refused', 'expired', 'used'] as const;

/** What agents ask leave for: each with the exact call, decided once, by somebody else than who asked. */
export function Approvals() {
  const { t, word } = useTexts();
  const view = useView();
  const state = view.get('state') || 'open';
  return (
    <>
      <div className="filters">
        <StateSelect group="approval.state" value={state} values={states} />
      </div>
      <PagedTable<Approval>
        path="/approvals"
        query={{ state }}
        rowKey="id"
        columns={[
          { title: t('approval.call'), key: 'call', render: (_, row) => <ApprovalCard approval={row} /> },
          { title: t('field.state'), key: 'state', width: 110, render: (_, row) => word('approval.state', row.state, row.state_name) },
          { title: t('approval.expires'), key: 'expires', width: 130, render: (_, row) => showTime(row.expires_at) },
        ]}
      />
    </>
  );
}

/** One call that waits, with its arguments as they will be used. */
export function ApprovalCard({ approval }: { approval: Approval }) {
  const { t, word, errorText } = useTexts();
  const { has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const decide = async (approve: boolean) => {
    setBusy(true);
    try {
      await api.post(`/approvals/${approval.id}/decision`, { approve, reason });
    } catch (error) {
      void message.error(errorText(error), 6);
    } finally {
      setBusy(false);
      renew(['/approvals', '/agents/runs']);
    }
  };
  return (
    <div className="approval" data-testid="approval">
      <div className="step-head">
        <b>{approval.tool_name}</b>
        <Tag color={approval.effect === 'outward' ? 'red' : 'orange'}>{word('effect', approval.effect)}</Tag>
        <Link to={`/agents/runs/${approval.run_id}`}>{approval.agent_id}</Link>
        <span className="muted">
          {approval.asked_by_name} {showTime(approval.asked_at)}
        </span>
      </div>
      {approval.arguments && <pre>{JSON.stringify(approval.arguments, null, 2)}</pre>}
      {approval.decided_by_name && (
        <p className="muted">
          {approval.decided_by_name} {showFullTime(approval.decided_at)} {approval.reason}
        </p>
      )}
      {approval.state === 'open' && approval.own && <p className="muted">{t('approval.own')}</p>}
      {approval.state === 'open' && !approval.own && has('duty_officer', 'dispatcher', 'steward') && (
        <Space wrap>
          <Input value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('approval.reason')} aria-label={t('approval.reason')} maxLength={500} />
          <Button type="primary" loading={busy} onClick={() => void decide(true)} data-testid="approval-grant">
            {t('approval.grant')}
          </Button>
          <Button danger loading={busy} disabled={!reason.trim()} onClick={() => void decide(false)} data-testid="approval-refuse">
            {t('approval.refuse')}
          </Button>
        </Space>
      )}
    </div>
  );
}
