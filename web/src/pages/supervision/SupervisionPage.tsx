import { PrinterOutlined } from '@ant-design/icons';
import { Button, DatePicker, Tabs, Tag } from 'antd';
import type { Dayjs } from 'dayjs';
import { useState } from 'react';
import { Link } from 'react-router';
import { withQuery } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { DutyItem, DutyList, TimeRequest, Urge } from '../../api/types';
import { useTexts, type MessageKey } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Due } from '../../ui/due';
import { LevelMark } from '../../ui/level';
import { Page } from '../../ui/Page';
import { PagedTable } from '../../ui/PagedTable';
import { UnitSelect } from '../../ui/selects';
import { Decision } from '../incident/Requests';
import { Writing } from './Writing';

const tabs = ['duty', 'requests', 'urges'] as const;

/** What needs the leader on duty, what waits to be decided, who was urged, and the letter of the week. */
export default function SupervisionPage() {
  const { t } = useTexts();
  const view = useView();
  const tab = tabs.find((each) => each === view.get('tab')) ?? 'duty';
  return (
    <Page title={t('supervision.title')} className="page-table" extra={<><Writing /><WeeklyLetter /></>}>
      <Tabs activeKey={tab} onChange={(key) => view.set({ tab: key, page: null, reason: null })} items={tabs.map((key) => ({ key, label: t(`supervision.${key}`) }))} />
      {tab === 'duty' && <Duty />}
      {tab === 'requests' && <Waiting />}
      {tab === 'urges' && <Urges />}
    </Page>
  );
}

function WeeklyLetter() {
  const { t } = useTexts();
  const [day, setDay] = useState<Dayjs | null>(null);
  const [unit, setUnit] = useState<string>();
  const week = day ? `${day.format('YYYY')}-W${String(isoWeek(day)).padStart(2, '0')}` : undefined;
  return (
    <>
      <DatePicker picker="week" value={day} onChange={setDay} placeholder={t('supervision.week')} className="letter-week" />
      <span className="letter-unit">
        <UnitSelect allowClear {...(unit ? { value: unit } : {})} onChange={setUnit} placeholder={t('supervision.all_units')} testId="letter-unit" />
      </span>
      <Button icon={<PrinterOutlined />} href={withQuery('/api/print/weekly-letter', { week, unit })} target="_blank" data-testid="weekly-letter">
        {t('supervision.letter')}
      </Button>
    </>
  );
}

/** The number of the ISO week: the one that holds the week's Thursday. */
function isoWeek(day: Dayjs): number {
  const thursday = day.subtract((day.day() + 6) % 7, 'day').add(3, 'day');
  return Math.floor(thursday.diff(thursday.startOf('year'), 'day') / 7) + 1;
}

function Duty() {
  const { t, word, lang } = useTexts();
  const view = useView();
  const reason = view.get('reason');
  const counts = useGet<DutyList>('/supervision/duty-list', { reason, size: 1 }, { keep: true });
  return (
    <>
      <div className="filters">
        {(counts.data?.counts ?? []).map((each) => (
          <Tag.CheckableTag key={each.code} checked={reason === each.code} onChange={(on) => view.set({ reason: on ? each.code : null, page: null })}>
            {lang === 'zh' ? each.name : each.name_en} <b className="num">{each.count}</b>
          </Tag.CheckableTag>
        ))}
      </div>
      <PagedTable<DutyItem>
        path="/supervision/duty-list"
        query={{ reason }}
        rowKey={(row) => row.incident.id}
        columns={[
          { title: t('field.grade'), key: 'grade', width: 80, render: (_, { incident }) => <LevelMark level={incident.grade as 1 | 2 | 3 | 4} of="incident" /> },
          {
            title: t('field.incident'),
            key: 'title',
            render: (_, { incident }) => (
              <div className="cell-two">
                <Link to={`/incidents/${incident.id}`}>{incident.title}</Link>
                <small>
                  <span className="num">{incident.number}</span> · {incident.division_name} · {incident.unit_name ?? word('state', incident.state, incident.state_name)}
                </small>
              </div>
            ),
          },
          {
            title: t('supervision.why'),
            key: 'why',
            render: (_, { reasons }) => (
              <ul className="duty-reasons">
                {reasons.map((each) => (
                  <li key={each.code}>
                    <b>{each.name}</b> {each.why} <span className="muted">→ {each.do}</span>
                  </li>
                ))}
              </ul>
            ),
          },
          { title: t('field.due'), key: 'due', width: 150, render: (_, { incident }) => <Due at={incident.due_at} overdue={incident.overdue} /> },
        ]}
      />
    </>
  );
}

function Waiting() {
  const { t, word } = useTexts();
  return (
    <PagedTable<TimeRequest>
      path="/requests"
      query={{ state: 'open' }}
      rowKey="id"
      columns={[
        { title: t('request.kind'), key: 'kind', width: 90, render: (_, row) => word('request.kind', row.kind) },
        { title: t('field.incident'), key: 'incident', width: 120, render: (_, row) => <Link to={`/incidents/${row.incident_id}`}>{t('merge.other')}</Link> },
        { title: t('action.reason'), key: 'reason', minWidth: 180, render: (_, row) => `${row.unit_name ?? ''} ${row.asked_by_name}：${row.reason}` },
        { title: t('request.until.label'), key: 'until', width: 140, render: (_, row) => showTime(row.until) },
        { title: t('request.decide_by'), key: 'by', width: 140, render: (_, row) => <Due at={row.decide_by} overdue={row.overdue} /> },
        { title: '', key: 'decide', width: 380, render: (_, row) => <Decision request={row} /> },
      ]}
    />
  );
}

function Urges() {
  const { t } = useTexts();
  return (
    <PagedTable<Urge>
      path="/supervision/urges"
      rowKey={(row) => `${row.incident_id} ${row.at}`}
      columns={[
        { title: t('supervision.urged_at'), key: 'at', width: 130, render: (_, row) => showTime(row.at) },
        {
          title: t('field.incident'),
          key: 'incident',
          render: (_, row) => (
            <div className="cell-two">
              <Link to={`/incidents/${row.incident_id}`}>{row.title}</Link>
              <small>
                <span className="num">{row.number}</span> · {row.unit_name ?? row.told_name}
              </small>
            </div>
          ),
        },
        { title: t('action.reason'), key: 'reason', render: (_, row) => `${row.by}：${row.reason}` },
        {
          title: t('supervision.answer'),
          key: 'answer',
          render: (_, row) => (row.answered_at ? `${showTime(row.answered_at)} ${row.answered_by ?? ''}：${row.answer ?? ''}` : <span className={row.late ? 'tone-over' : 'muted'}>{t((row.late ? 'supervision.answer.late' : 'supervision.answer.none') as MessageKey)}</span>),
        },
      ]}
    />
  );
}
