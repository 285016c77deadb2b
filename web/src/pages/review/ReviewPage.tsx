import { PrinterOutlined } from '@ant-design/icons';
import { App, Button, Input, Popconfirm, Select, Space } from 'antd';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Cause, ReviewDetail } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { Page, Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { Timeline } from '../incident/Timeline';
import { ProposalDialog } from './ProposalDialog';

const touched = ['/reviews', '/proposals'];

export default function ReviewPage() {
  const { id = '' } = useParams();
  const answer = useGet<ReviewDetail>(`/reviews/${encodeURIComponent(id)}`);
  return <Answered answer={answer}>{(review) => <Body key={review.version} review={review} />}</Answered>;
}

function Body({ review }: { review: ReviewDetail }) {
  const { t, word, lang, errorText } = useTexts();
  const { message } = App.useApp();
  const { has } = useSession();
  const renew = useRefresh();
  const causes = useGet<Cause[]>('/review-causes', {}, { staleTime: Infinity });
  const [code, setCode] = useState<string>();
  const [text, setText] = useState('');
  const [lesson, setLesson] = useState('');
  const [proposing, setProposing] = useState(false);
  const open = review.state === 'open' && has('duty_officer', 'dispatcher');
  const save = async (work: Promise<unknown>) => {
    try {
      await work;
      renew(touched);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const put = (more: { causes?: { code: string; text: string }[]; lessons?: string[] }) =>
    save(
      api.put(`/reviews/${review.id}`, {
        version: review.version,
        causes: [...review.causes.map((each) => ({ code: each.code ?? 'other', text: each.text })), ...(more.causes ?? [])],
        lessons: [...review.lessons.map((each) => each.text), ...(more.lessons ?? [])],
      }),
    );
  return (
    <Page
      title={review.title}
      extra={
        <>
          <span className="muted">
            {review.number} · {t(`review.state.${review.state}`)} · {review.occasions.map((each) => (lang === 'zh' ? each.name : each.name_en)).join('、')}
          </span>
          <Button icon={<PrinterOutlined />} href={`/api/print/reviews/${review.id}`} target="_blank">
            {t('print')}
          </Button>
          {open && (
            <Popconfirm title={t('review.finish.sure')} onConfirm={() => save(api.post(`/reviews/${review.id}/finish`, { version: review.version }))}>
              <Button type="primary">{t('review.finish')}</Button>
            </Popconfirm>
          )}
        </>
      }
    >
      <div className="review-grid">
        <div className="review-facts">
          {review.facts.map(({ incident, deviations, near, timeline }) => (
            <Panel key={incident.id} title={<Link to={`/incidents/${incident.id}`}>{`${incident.number} ${incident.title}`}</Link>}>
              {deviations.length === 0 ? (
                <p className="muted">{t('review.no_deviation')}</p>
              ) : (
                <ol className="deviations">
                  {deviations.map((each, index) => (
                    <li key={index}>
                      <time className="num muted">{showTime(each.at)}</time> <b>{lang === 'zh' ? each.name : each.name_en}</b> {each.text}
                      {each.unit_name && <span className="muted"> · {each.unit_name}</span>}
                    </li>
                  ))}
                </ol>
              )}
              {near.length > 0 && (
                <p>
                  {t('review.near', { count: near.length })}{' '}
                  {near.slice(0, 8).map((each) => (
                    <Link key={each.id} to={`/incidents/${each.id}`} className="near">
                      {each.number}
                    </Link>
                  ))}
                </p>
              )}
              <h3>{t('incident.timeline')}</h3>
              <Timeline entries={timeline} />
            </Panel>
          ))}
        </div>
        <div className="review-findings">
          <Panel title={t('review.causes')}>
            <ul className="findings">
              {review.causes.map((each, index) => (
                <li key={index}>
                  <b>{each.name}</b> {each.text} <small className="muted">{each.author_name}</small>
                </li>
              ))}
            </ul>
            {open && (
              <Space.Compact block>
                <Select className="cause-select" data-testid="cause" popupMatchSelectWidth={false} value={code ?? null} onChange={setCode} placeholder={t('review.cause')} aria-label={t('review.cause')} options={(causes.data ?? []).map((each) => ({ value: each.code, label: lang === 'zh' ? each.name : each.name_en }))} />
                <Input value={text} onChange={(event) => setText(event.target.value)} placeholder={t('review.cause.text')} maxLength={500} data-testid="cause-text" />
                <Button disabled={!code || !text.trim()} onClick={() => code && void put({ causes: [{ code, text: text.trim() }] })} data-testid="add-cause">
                  {t('review.add')}
                </Button>
              </Space.Compact>
            )}
          </Panel>
          <Panel title={t('review.lessons')}>
            <ul className="findings">
              {review.lessons.map((each, index) => (
                <li key={index}>
                  {each.text} <small className="muted">{each.author_name}</small>
                </li>
              ))}
            </ul>
            {open && (
              <Space.Compact block>
                <Input value={lesson} onChange={(event) => setLesson(event.target.value)} placeholder={t('review.lesson')} maxLength={500} data-testid="lesson" />
                <Button data-testid="add-lesson" disabled={!lesson.trim()} onClick={() => void put({ lessons: [lesson.trim()] })}>
                  {t('review.add')}
                </Button>
              </Space.Compact>
            )}
          </Panel>
          <Panel
            title={t('review.proposals')}
            extra={
              has('duty_officer', 'dispatcher', 'steward') && (
                <Button size="small" onClick={() => setProposing(true)} data-testid="propose">
                  {t('proposal.make')}
                </Button>
              )
            }
          >
            {review.proposals.length === 0 && <p className="muted">{t('review.no_proposal')}</p>}
            <ul className="findings">
              {review.proposals.map((each) => (
                <li key={each.id}>
                  <Link to={`/proposals/${each.id}`}>{each.about}</Link> <small className="muted">{word('proposal.state', each.state, each.state_name)}</small>
                </li>
              ))}
            </ul>
          </Panel>
        </div>
      </div>
      {proposing && <ProposalDialog review={review} onClose={() => setProposing(false)} />}
    </Page>
  );
}
