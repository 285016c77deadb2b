import { Button, Checkbox, Input, Modal, Popconfirm, Select, Space, Tag } from 'antd';
import { useMemo, useState } from 'react';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { AgentDetail, AgentVersion, Paged, Publication, VersionDetail } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { Panel } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { DivisionSelect, UnitSelect } from '../../ui/selects';
import { useDo } from '../../ui/useDo';
import { percent } from './AgentsPage';
import { differing } from './definition';

const CITY = '500000';

/** Versions, which of them people use, and who may use it. */
export function Versions({ agent }: { agent: AgentDetail }) {
  const { t, word } = useTexts();
  const act = useAct(agent.id);
  const mayPublish = agent.may.includes('publish') && !agent.retired;
  const history = useGet<Paged<Publication>>(`/agents/${agent.id}/publications`, { size: 100 });
  const used = new Set((history.data?.items ?? []).map((each) => each.version));
  return (
    <div className="stack">
      <Panel title={t('versions.title')} className="panel-flush" extra={mayPublish && <Retire agent={agent} />}>
        <PagedTable<AgentVersion>
          path={`/agents/${agent.id}/versions`}
          rowKey="version"
          columns={[
            {
              title: t('version.number'),
              key: 'version',
              width: 130,
              render: (_, row) => (
                <>
                  <b className="num">v{row.version}</b> {row.version === agent.published_version && <Tag color="green">{t('version.in_use')}</Tag>}
                </>
              ),
            },
            { title: t('version.note'), key: 'note', render: (_, row) => row.note || '—' },
            { title: t('version.author'), key: 'author', width: 190, render: (_, row) => `${row.author_name} ${showTime(row.at)}` },
            {
              title: '',
              key: 'do',
              width: 120,
              render: (_, row) => {
                if (!mayPublish || row.version === agent.published_version) return null;
                const again = used.has(row.version) && agent.published_version !== null && row.version < agent.published_version;
                return again ? (
                  <Popconfirm title={t('version.rollback.sure', { version: row.version })} onConfirm={() => void act('rollback', { version: row.version })} okButtonProps={{ 'data-testid': 'confirm' }}>
                    <Button size="small" data-testid={`rollback-${row.version}`}>
                      {t('version.rollback')}
                    </Button>
                  </Popconfirm>
                ) : (
                  <Publish agent={agent} version={row.version} />
                );
              },
            },
          ]}
        />
      </Panel>
      <Compare agent={agent} />
      {mayPublish && <Sharing agent={agent} />}
      <Panel title={t('publications.title')}>
        <ul className="plain">
          {(history.data?.items ?? []).map((each) => (
            <li key={each.id}>
              <span className="num">{showTime(each.at)}</span> {each.by_name} <b>{word('publication', each.step, each.step_name)}</b> {each.version !== null && `v${each.version}`}
              {each.score !== null && ` · ${t('publication.score', { score: percent(each.score) })}`}
              {each.waived && ` · ${t('publication.waived', { reason: each.waived })}`} <span className="muted">{each.note}</span>
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  );
}

function useAct(id: string) {
  const run = useDo('/agents');
  return async (step: string, body: unknown, method: 'post' | 'put' = 'post') => (await run(() => api[method](`/agents/${id}/${step}`, body))) !== undefined;
}

function Publish({ agent, version }: { agent: AgentDetail; version: number }) {
  const { t } = useTexts();
  const act = useAct(agent.id);
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState('');
  const [waive, setWaive] = useState('');
  return (
    <>
      <Button size="small" type="primary" onClick={() => setOpen(true)} data-testid={`publish-${version}`}>
        {t('version.publish')}
      </Button>
      <Modal
        open={open}
        title={t('version.publish.title', { version })}
        okText={t('version.publish')}
        okButtonProps={{ 'data-testid': 'confirm' }}
        onCancel={() => setOpen(false)}
        onOk={async () => {
          if (await act('publish', { version, note, waive })) setOpen(false);
        }}
      >
        <div className="definition">
          <Input value={note} onChange={(event) => setNote(event.target.value)} placeholder={t('version.note')} aria-label={t('version.note')} maxLength={200} />
          {agent.may.includes('waive') && <Input value={waive} onChange={(event) => setWaive(event.target.value)} placeholder={t('version.waive')} aria-label={t('version.waive')} maxLength={500} data-testid="waive" />}
        </div>
      </Modal>
    </>
  );
}

function Retire({ agent }: { agent: AgentDetail }) {
  const { t } = useTexts();
  const act = useAct(agent.id);
  return (
    <Popconfirm title={t('agent.retire.sure')} onConfirm={() => void act('retire', {})}>
      <Button size="small" type="text" danger>
        {t('agent.retire')}
      </Button>
    </Popconfirm>
  );
}

/** Who besides the owner may use the version in use. */
function Sharing({ agent }: { agent: AgentDetail }) {
  const { t } = useTexts();
  const act = useAct(agent.id);
  const [units, setUnits] = useState<string[]>(agent.shares.unit_ids);
  const [divisions, setDivisions] = useState<string[]>(agent.shares.division_codes);
  const all = divisions.includes(CITY);
  return (
    <Panel title={t('share.title')}>
      <div className="definition">
        <Checkbox checked={all} onChange={(event) => setDivisions(event.target.checked ? [CITY] : [])} data-testid="share-all">
          {t('share.all')}
        </Checkbox>
        {!all && (
          <div className="form-pair">
            <Several values={divisions} onChange={setDivisions} />
            <UnitSelect multiple value={units as unknown as string} onChange={(next) => setUnits((next ?? []) as unknown as string[])} placeholder={t('share.units')} testId="share-units" />
          </div>
        )}
        <Space>
          <Button onClick={() => void act('shares', { unit_ids: all ? [] : units, division_codes: divisions }, 'put')} data-testid="share-save">
            {t('save')}
          </Button>
        </Space>
      </div>
    </Panel>
  );
}

function Several({ values, onChange }: { values: string[]; onChange: (next: string[]) => void }) {
  const { t } = useTexts();
  return (
    <div>
      <DivisionSelect placeholder={t('share.divisions')} onChange={(code) => code && onChange([...new Set([...values, code])])} />
      {values.map((code) => (
        <Tag key={code} closable onClose={() => onChange(values.filter((each) => each !== code))}>
          {code}
        </Tag>
      ))}
    </div>
  );
}

/** Two versions beside each other, with the lines marked that only one of them has. */
function Compare({ agent }: { agent: AgentDetail }) {
  const { t } = useTexts();
  const [pair, setPair] = useState<[number, number]>([agent.published_version ?? 1, agent.latest_version]);
  const first = useGet<VersionDetail>(`/agents/${agent.id}/versions/${pair[0]}`, {}, { keep: true });
  const second = useGet<VersionDetail>(`/agents/${agent.id}/versions/${pair[1]}`, {}, { keep: true });
  const marks = useMemo(() => differing(first.data?.yaml ?? '', second.data?.yaml ?? ''), [first.data, second.data]);
  if (agent.latest_version < 2) return null;
  const options = Array.from({ length: agent.latest_version }, (_, index) => ({ value: index + 1, label: `v${index + 1}` }));
  return (
    <Panel title={t('versions.compare')}>
      <div className="workshop">
        {[first.data, second.data].map((version, side) => (
          <div key={side}>
            <Select value={pair[side] ?? null} options={options} onChange={(next: number) => setPair(side === 0 ? [next, pair[1]] : [pair[0], next])} aria-label={t('version.number')} />
            <pre className="diff">
              {(version?.yaml ?? '').split('\n').map((line, number) => (
                <span key={number} className={marks[side]?.has(number) ? `line only-${side}` : 'line'}>
                  {line || ' '}
                </span>
              ))}
            </pre>
          </div>
        ))}
      </div>
    </Panel>
  );
}
