import { App, Button } from 'antd';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Candidate, Incident, Merge, Undone } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { Panel } from '../../ui/Page';

const touched = ['/incidents', '/merges', '/tasks', '/reports', '/situation'];

/** Takes a merge apart, and says what stayed. */
function useUndo(): (mergeId: string) => Promise<void> {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  return async (mergeId) => {
    try {
      const { stayed } = await api.post<Undone>(`/merges/${mergeId}/undo`);
      void message.success(stayed.length > 0 ? t('merge.undone.stayed', { numbers: stayed.join('、') }) : t('merge.undone'));
      renew(touched);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
}

/** Open incidents that may be about the same matter; one click makes this one a part of another. */
export function Candidates({ incident }: { incident: Incident }) {
  const { t, word, lang, errorText } = useTexts();
  const { message } = App.useApp();
  const { has } = useSession();
  const renew = useRefresh();
  const undo = useUndo();
  const { data = [] } = useGet<Candidate[]>(`/incidents/${incident.id}/candidates`);
  if (data.length === 0) return null;
  const merge = async (into: Candidate['incident']) => {
    try {
      const made = await api.post<Merge>(`/incidents/${incident.id}/merge`, { into: into.id, version: incident.version });
      renew(touched);
      const key = `merged-${made.id}`;
      void message.success({
        key,
        duration: 8,
        content: (
          <>
            {t('merge.done', { number: into.number })}{' '}
            <Button
              size="small"
              type="link"
              data-testid="merge-undo-toast"
              onClick={() => {
                message.destroy(key);
                void undo(made.id);
              }}
            >
              {t('merge.undo')}
            </Button>
          </>
        ),
      });
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <Panel title={t('merge.candidates', { count: data.length })} className="candidates">
      <ul data-testid="candidates">
        {data.map((each) => (
          <li key={each.incident.id}>
            <b className="num candidate-score" title={t('merge.score')}>
              {Math.round(each.score * 100)}%
            </b>
            <div className="cell-two">
              <Link to={`/incidents/${each.incident.id}`}>{each.incident.title}</Link>
              <small>
                <span className="num">{each.incident.number}</span> · {showTime(each.incident.opened_at)} · {word('state', each.incident.state, each.incident.state_name)}
              </small>
              <small>
                {each.reasons.map((reason) => (
                  <span key={reason.text} className={reason.speaks_for ? 'speaks-for' : 'speaks-against'}>
                    {lang === 'zh' ? reason.text : reason.text_en}
                  </span>
                ))}
              </small>
            </div>
            {has('dispatcher', 'duty_officer') && (
              <Button size="small" onClick={() => void merge(each.incident)} data-testid="merge">
                {t('merge.do')}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** What was merged into this incident, or what it became a part of; each can be taken apart again. */
export function Merges({ incident }: { incident: Incident }) {
  const { t, lang } = useTexts();
  const { has } = useSession();
  const undo = useUndo();
  const { data = [] } = useGet<Merge[]>('/merges', { incident: incident.id });
  if (data.length === 0) return null;
  return (
    <Panel title={t('merge.merges')}>
      <ul className="merges" data-testid="merges">
        {data.map((merge) => {
          const other = merge.into_id === incident.id ? merge.incident_id : merge.into_id;
          return (
            <li key={merge.id} className={merge.undone_at ? 'merge-undone' : ''}>
              <span>
                {t(merge.into_id === incident.id ? (merge.kind === 'report' ? 'merge.report' : 'merge.in') : 'merge.out')} {other && other !== incident.id && <Link to={`/incidents/${other}`}>{t('merge.other')}</Link>}
                <small className="muted">
                  {' '}
                  {merge.by_name} · {showTime(merge.at)}
                  {merge.score !== null && ` · ${Math.round(merge.score * 100)}%`}
                  {merge.reasons.length > 0 && ` · ${merge.reasons.map((reason) => (lang === 'zh' ? reason.text : reason.text_en)).join('，')}`}
                </small>
              </span>
              {merge.undone_at ? (
                <small className="muted">{t('merge.undone.by', { name: merge.undone_by_name ?? '', time: showTime(merge.undone_at) })}</small>
              ) : (
                has('dispatcher', 'duty_officer') && (
                  <Button size="small" onClick={() => void undo(merge.id)} data-testid="merge-undo">
                    {t('merge.undo')}
                  </Button>
                )
              )}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
