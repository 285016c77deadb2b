import { Space, Tag } from 'antd';
import { useParams } from 'react-router';
import { useGet } from '../../api/hooks';
import type { AliasMove, ModelDetail, ModelVersion } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { Page, Panel } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { Answered } from '../../ui/states';
import { bytes } from './ModelsPage';

interface Eval {
  set: string;
  metric: string;
  value: number;
  on?: string;
  command?: string;
}

/** One model: its card with what was measured, how it is used, whether its input drifts, its versions. */
export default function ModelPage() {
  const { id = '' } = useParams();
  const answer = useGet<ModelDetail>(`/models/${encodeURIComponent(id)}`);
  return <Answered answer={answer}>{(model) => <Body model={model} />}</Answered>;
}

function Body({ model }: { model: ModelDetail }) {
  const { t, word, lang } = useTexts();
  const evals = (model.version.card.evals as Eval[] | undefined) ?? [];
  const facts: [string, string][] = [
    [t('model.version'), `${model.version.version} · ${model.version.digest.slice(0, 16)}`],
    [t('model.format'), model.format],
    [t('model.licence'), `${model.licence ?? '—'}${model.licence_verified ? '' : ` (${t('model.unverified')})`}`],
    [t('model.size'), bytes(model.bytes)],
    [t('model.grade'), model.grade_name],
    [t('model.used'), t('model.used.of', { days: model.usage.days, calls: model.usage.calls, failed: model.usage.failed, ms: Math.round(model.usage.milliseconds) })],
  ];
  return (
    <Page
      title={lang === 'zh' ? model.name : model.name_en}
      extra={
        <Space wrap>
          <Tag>{word('model.kind', model.kind, model.kind_name)}</Tag>
          {model.installed ? <Tag color="green">{t('model.installed')}</Tag> : model.pull && <code>{model.pull}</code>}
        </Space>
      }
    >
      <div className="stack">
        <dl className="facts">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {evals.length > 0 && (
          <Panel title={t('model.evals')}>
            <table className="effect">
              <tbody>
                {evals.map((each) => (
                  <tr key={`${each.set} ${each.metric}`}>
                    <th>{each.set}</th>
                    <td>{each.metric}</td>
                    <td className="num">
                      <b>{each.value}</b>
                    </td>
                    <td className="muted">{[each.on, each.command].filter(Boolean).join(' · ')}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Panel>
        )}
        {model.drift.length > 0 && (
          <Panel title={t('model.drift')}>
            <ul className="plain">
              {model.drift.map((each) => (
                <li key={each.measure}>
                  {lang === 'zh' ? each.name : each.name_en} <b className="num">{each.psi === null ? '—' : each.psi.toFixed(3)}</b> <Tag color={each.verdict === 'steady' ? 'green' : 'orange'}>{lang === 'zh' ? each.verdict_name : each.verdict}</Tag>
                  <span className="muted num">{`${each.present} / ${each.reference}`}</span>
                </li>
              ))}
            </ul>
          </Panel>
        )}
        <Panel title={t('model.card')}>
          <pre className="diff">{model.version.yaml}</pre>
        </Panel>
        <Panel title={t('model.versions')} className="panel-flush">
          <PagedTable<ModelVersion>
            path={`/models/${model.id}/versions`}
            rowKey="version"
            columns={[
              { title: t('model.version'), key: 'version', render: (_, row) => <>{row.version} {Object.entries(model.aliases).filter(([, version]) => version === row.version).map(([alias]) => <Tag key={alias} color="gold">{alias}</Tag>)}</> },
              { title: 'SHA-256', key: 'digest', render: (_, row) => <code>{row.digest.slice(0, 16)}</code> },
              { title: t('model.size'), key: 'size', width: 110, render: (_, row) => bytes(row.bytes) },
              { title: t('version.author'), key: 'by', width: 200, render: (_, row) => `${row.created_by_name} ${showTime(row.created_at)}` },
            ]}
          />
        </Panel>
        <Panel title={t('model.aliases')} className="panel-flush">
          <PagedTable<AliasMove>
            path={`/models/${model.id}/aliases`}
            rowKey={(row) => `${row.alias} ${row.at}`}
            columns={[
              { title: t('model.alias'), key: 'alias', width: 140, render: (_, row) => row.alias },
              { title: t('model.version'), key: 'to', render: (_, row) => `${row.from_version ?? '—'} → ${row.to_version}` },
              { title: t('version.note'), key: 'note', render: (_, row) => row.note || '—' },
              { title: t('version.author'), key: 'by', width: 200, render: (_, row) => `${row.by_name} ${showTime(row.at)}` },
            ]}
          />
        </Panel>
      </div>
    </Page>
  );
}
