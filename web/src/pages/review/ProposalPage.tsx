import { App, Button, Input, Segmented, Skeleton, Space } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link, useParams } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Measures, ProposalCase, ProposalDetail } from '../../api/types';
import { useShade } from '../../app/theme';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { chartInk, type ChartOption } from '../../ui/chart-option';
import { Page, Panel } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { Answered } from '../../ui/states';

const Chart = lazy(() => import('../../ui/Chart'));
const touched = ['/proposals', '/reviews', '/responsibilities', '/limits', '/thresholds', '/category-rules'];

export default function ProposalPage() {
  const { id = '' } = useParams();
  const answer = useGet<ProposalDetail>(`/proposals/${encodeURIComponent(id)}`);
  return <Answered answer={answer}>{(proposal) => <Body proposal={proposal} />}</Answered>;
}

function Body({ proposal }: { proposal: ProposalDetail }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const act = async (path: string, body: unknown) => {
    setBusy(true);
    try {
      await api.post(`/proposals/${proposal.id}/${path}`, body);
      setReason('');
    } catch (error) {
      void message.error(errorText(error), 6);
    } finally {
      renew(touched);
      setBusy(false);
    }
  };
  const waiting = proposal.state === 'draft' || proposal.state === 'replayed';
  const decided = proposal.decision ?? proposal.withdrawal;
  return (
    <Page
      title={proposal.about}
      extra={
        <span className="muted" data-testid="proposal-state">
          {proposal.number} · {word('proposal.kind', proposal.kind, proposal.kind_name)} · {word('proposal.state', proposal.state, proposal.state_name)}
        </span>
      }
    >
      <Panel title={t('proposal.proposed')}>
        <p>
          {proposal.author_name} {showTime(proposal.made_at)}：{proposal.reason}
          {proposal.review_id && (
            <>
              {' '}
              <Link to={`/reviews/${proposal.review_id}`}>{t('review.review')}</Link>
            </>
          )}
        </p>
        {decided && (
          <p>
            {decided.actor_name} {showTime(decided.at)}：{word('proposal.state', proposal.state, proposal.state_name)} {decided.reason}
          </p>
        )}
        {waiting && (
          <Space wrap>
            <Button onClick={() => void act('replay', {})} loading={busy} data-testid="replay">
              {t(proposal.replay ? 'proposal.replay.again' : 'proposal.replay')}
            </Button>
            {proposal.may_decide && proposal.state === 'replayed' && (
              <>
                <Input value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('action.reason')} maxLength={500} data-testid="decision-reason" />
                <Button type="primary" disabled={!reason.trim()} onClick={() => void act('decision', { approve: true, reason })} data-testid="approve">
                  {t('proposal.approve')}
                </Button>
                <Button danger disabled={!reason.trim()} onClick={() => void act('decision', { approve: false, reason })}>
                  {t('proposal.refuse')}
                </Button>
              </>
            )}
          </Space>
        )}
        {proposal.state === 'applied' && (
          <Space>
            <Input value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('action.reason')} maxLength={500} />
            <Button danger disabled={!reason.trim()} onClick={() => void act('undo', { reason })}>
              {t('proposal.undo')}
            </Button>
          </Space>
        )}
      </Panel>
      {proposal.replay && <Replay proposal={proposal} />}
      {proposal.effect && (
        <Panel title={t(proposal.effect.complete ? 'proposal.effect' : 'proposal.effect.running')}>
          <Effect measures={proposal.effect.measures} />
        </Panel>
      )}
    </Page>
  );
}

/** What the change would have meant for past cases: a picture, the counts, and the cases themselves. */
function Replay({ proposal }: { proposal: ProposalDetail }) {
  const { t, word } = useTexts();
  const { shade } = useShade();
  const view = useView();
  const replay = proposal.replay;
  const counts = useMemo(() => Object.entries(replay?.counts ?? {}), [replay]);
  const option = useMemo<ChartOption>(() => {
    const ink = chartInk[shade];
    return {
      animation: false,
      grid: { left: 4, right: 48, top: 4, bottom: 4, containLabel: true },
      xAxis: { type: 'value', minInterval: 1, axisLabel: { color: ink.faint }, splitLine: { lineStyle: { color: ink.line } } },
      yAxis: { type: 'category', inverse: true, data: counts.map(([key]) => word('outcome', key)), axisLabel: { color: ink.text }, axisTick: { show: false }, axisLine: { lineStyle: { color: ink.line } } },
      series: [{ type: 'bar', barMaxWidth: 18, itemStyle: { color: ink.series[0] ?? ink.text, borderRadius: 2 }, label: { show: true, position: 'right', color: ink.text }, data: counts.map(([, count]) => count) }],
    };
  }, [counts, shade, word]);
  if (!replay) return null;
  const outcome = view.get('outcome');
  return (
    <Panel title={t('proposal.replayed', { from: showTime(replay.span.from), to: showTime(replay.span.to) })} extra={<span className="muted">{t('proposal.looked', { seen: replay.looked_at, total: replay.total })}</span>}>
      {replay.notes.map((note) => (
        <p key={note} className="muted">
          {note}
        </p>
      ))}
      {counts.length > 0 && (
        <Suspense fallback={<Skeleton active />}>
          <Chart option={option} height={counts.length * 34 + 30} label={t('proposal.replay')} />
        </Suspense>
      )}
      <Segmented className="cases-part" value={outcome || 'all'} onChange={(value) => view.set({ outcome: value === 'all' ? null : value, page: null })} options={['all', ...counts.map(([key]) => key)].map((value) => ({ value, label: word('outcome', value) }))} />
      <PagedTable<ProposalCase>
        path={`/proposals/${proposal.id}/cases`}
        query={{ outcome }}
        rowKey={(row) => `${row.incident_id ?? ''} ${row.at} ${row.title}`}
        columns={[
          { title: t('proposal.outcome'), key: 'outcome', width: 160, render: (_, row) => word('outcome', row.outcome) },
          { title: t('field.incident'), key: 'title', render: (_, row) => (row.incident_id ? <Link to={`/incidents/${row.incident_id}`}>{row.title}</Link> : row.title) },
          { title: t('field.opened'), key: 'at', width: 140, render: (_, row) => showTime(row.at) },
        ]}
      />
    </Panel>
  );
}

/** The same measures before and after the change. */
function Effect({ measures }: { measures: Measures[] }) {
  const { t, lang } = useTexts();
  const show = (each: Measures['before'], daily: boolean) => (each.value === null ? '—' : daily ? each.value.toFixed(2) : `${(each.value * 100).toFixed(1)}%`);
  return (
    <table className="effect">
      <thead>
        <tr>
          <th />
          <th>{t('proposal.before')}</th>
          <th>{t('proposal.after')}</th>
        </tr>
      </thead>
      <tbody>
        {measures.map((each) => (
          <tr key={each.key}>
            <th>{lang === 'zh' ? each.name : each.name_en}</th>
            {[each.before, each.after].map((side, index) => (
              <td key={index} className="num">
                {show(side, each.daily)} <small className="muted">{side.few ? t('proposal.few', { count: side.of }) : `${side.count}/${side.of}`}</small>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
