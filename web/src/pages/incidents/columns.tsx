import type { TableColumnsType } from 'antd';
import { Link } from 'react-router';
import type { IncidentFlat } from '../../api/types';
import { useTexts } from '../../i18n';
import { drawable } from '../../lib/place';
import { showTime } from '../../lib/time';
import { Due } from '../../ui/due';
import { LevelMark } from '../../ui/level';
import { useCategoryName } from '../../ui/selects';

export function useIncidentColumns(sort: string, phone: boolean): TableColumnsType<IncidentFlat> {
  const { t, word } = useTexts();
  const categoryName = useCategoryName();
  const order = (field: string) => (sort === field ? 'ascend' : sort === `-${field}` ? 'descend' : null);
  const live = (incident: IncidentFlat) => incident.state !== 'closed' && incident.state !== 'dismissed';
  if (phone) {
    return [
      {
        key: 'incident',
        render: (_, incident) => (
          <div className="cell-two">
            <div className="cell-phone-top">
              <LevelMark level={incident.grade} of="incident" />
              {live(incident) && <Due at={incident.due_at} overdue={incident.overdue} />}
            </div>
            <Link to={`/incidents/${incident.id}`}>{incident.title}</Link>
            <small>
              <span className={`state state-${incident.state}`}>{word('state', incident.state, incident.state_name)}</span> {incident.division_name} · {showTime(incident.opened_at)}
            </small>
          </div>
        ),
      },
    ];
  }
  return [
    { title: t('field.grade'), key: 'grade', dataIndex: 'grade', width: 76, sorter: true, sortOrder: order('grade'), render: (_, { grade }) => <LevelMark level={grade} of="incident" /> },
    {
      title: t('field.incident'),
      key: 'title',
      ellipsis: true,
      render: (_, incident) => (
        <div className="cell-two">
          <Link to={`/incidents/${incident.id}`} onClick={(event) => event.stopPropagation()}>
            {incident.title}
          </Link>
          <small>
            <span className="num">{incident.number}</span> · {word('source', incident.source)}
            {!drawable(incident.lon, incident.lat) && <span className="bad-place"> · {t('place.bad')}</span>}
          </small>
        </div>
      ),
    },
    { title: t('field.state'), key: 'state', width: 104, render: (_, { state, state_name: name }) => <span className={`state state-${state}`}>{word('state', state, name)}</span> },
    { title: t('field.category'), key: 'category', width: 128, ellipsis: true, render: (_, { category, category_name: name }) => categoryName(category, name) },
    { title: t('field.division'), key: 'division', width: 150, ellipsis: true, render: (_, { division_name: name }) => name },
    {
      title: t('field.unit'),
      key: 'unit',
      width: 180,
      ellipsis: true,
      render: (_, { unit_name: unit, assignee_name: person }) => (
        <div className="cell-two">
          <span>{unit ?? '—'}</span>
          {person && <small>{person}</small>}
        </div>
      ),
    },
    { title: t('field.opened'), key: 'opened_at', width: 112, sorter: true, sortOrder: order('opened_at'), render: (_, { opened_at: at }) => <span className="num">{showTime(at)}</span> },
    {
      title: t('field.due'),
      key: 'due_at',
      width: 140,
      sorter: true,
      sortOrder: order('due_at'),
      render: (_, incident) =>
        live(incident) ? (
          <span className="cell-due">
            <Due at={incident.due_at} overdue={incident.overdue} />
            {incident.escalation > 0 && <em className="escalated">{t('incident.escalated', { level: incident.escalation })}</em>}
          </span>
        ) : (
          <span className="muted num">{showTime(incident.closed_at)}</span>
        ),
    },
  ];
}
