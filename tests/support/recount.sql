-- The indicators a second time: from the timeline (the event log) and the reports alone, whatever columns say.
-- Gives one row for each subject that a figure counts: key, subject, moment, unit, category, district, channel, seconds.
with
entry as (
    select incident_id, seq, at, action, from_state, to_state, data,
           data->>'unit_id' as unit, (data->>'task')::int as task, (data->>'due_at')::timestamptz as due
    from incident_timeline
),
merge_undone as (
    select m.incident_id, m.seq from entry m
    where m.action = 'merge'
      and exists (select from entry u where u.incident_id = m.incident_id and u.action = 'unmerge' and u.seq > m.seq)
),
last_of as (
    -- When something last happened to an incident, as numbers of entries.
    select incident_id,
           max(seq) filter (where action in ('dispatch', 'settle')) as dispatch,
           max(seq) filter (where action in ('return', 'recategorise', 'hand_up', 'hand_down', 'reopen')) as let_go,
           max(seq) filter (where action = 'handle') as handle,
           max(seq) filter (where action = 'rework') as rework,
           max(seq) filter (where action = 'verify') as verify,
           max(seq) filter (where action = 'reopen') as reopen,
           max(seq) filter (where to_state in ('closed', 'dismissed') and from_state is distinct from to_state) as ending,
           max(seq) filter (where from_state is distinct from to_state
                               or action in ('extend', 'recategorise', 'hand_up', 'hand_down')) as stay,
           max(seq) filter (where data ? 'close_by') as close_by,
           max(seq) filter (where data ? 'category') as category,
           max(seq) filter (where data ? 'division_code') as division,
           max(seq) as entry,
           min(seq) filter (where action in ('dispatch', 'settle')) as first_dispatch
    from entry group by incident_id
),
matter as (
    select o.incident_id, o.at as opened_at, o.data->>'source' as source,
           category.data->>'category' as category, left(division.data->>'division_code', 6) as district,
           final.to_state as state, stay.due as due_at,
           case when l.dispatch > coalesce(l.let_go, 0) then dispatch.unit end as unit,
           (close_by.data->>'close_by')::timestamptz as close_by,
           case when final.to_state in ('closed', 'dismissed') then ending.at end as closed_at,
           final.to_state = 'closed' and ending.action = 'answer' as at_intake,
           first_dispatch.at as dispatched_at,
           case when l.handle > greatest(l.rework, l.reopen, 0) then handle.at end as handled_at,
           case when l.handle > greatest(l.rework, l.reopen, 0) then handle.due end as verify_by,
           case when l.verify > coalesce(l.reopen, 0) then verify.at end as verified_at,
           (select count(*) from entry e where e.incident_id = o.incident_id and e.action = 'urge') as urged,
           (select count(*) from entry e where e.incident_id = o.incident_id and e.action = 'reopen') as reopened,
           (select count(*) from entry e where e.incident_id = o.incident_id and e.action = 'return'
               and e.seq > coalesce(l.reopen, 0)) as returns
    from entry o
    join last_of l on l.incident_id = o.incident_id
    join entry final on final.incident_id = l.incident_id and final.seq = l.entry
    join entry category on category.incident_id = l.incident_id and category.seq = l.category
    join entry division on division.incident_id = l.incident_id and division.seq = l.division
    left join entry stay on stay.incident_id = l.incident_id and stay.seq = l.stay
    left join entry dispatch on dispatch.incident_id = l.incident_id and dispatch.seq = l.dispatch
    left join entry close_by on close_by.incident_id = l.incident_id and close_by.seq = l.close_by
    left join entry ending on ending.incident_id = l.incident_id and ending.seq = l.ending
    left join entry first_dispatch on first_dispatch.incident_id = l.incident_id and first_dispatch.seq = l.first_dispatch
    left join entry handle on handle.incident_id = l.incident_id and handle.seq = l.handle
    left join entry verify on verify.incident_id = l.incident_id and verify.seq = l.verify
    where o.action = 'open'
),
channelled as (
    select m.*,
           case when m.source <> 'report' then m.source
                else coalesce((select r.channel from incident_reports r where r.incident_id = m.incident_id
                               order by r.received_at, r.id limit 1), 'report') end as channel
    from matter m
),
work as (
    -- One row for each unit that a dispatch named, the first of them in the lead.
    select d.incident_id, d.task + u.place::int - 1 as task, u.place = 1 as lead, u.unit, d.seq as born,
           d.at as dispatched_at, d.due as accept_by
    from entry d
    cross join lateral unnest(array[d.unit] || array(select jsonb_array_elements_text(d.data->'assist_unit_ids')))
        with ordinality as u(unit, place)
    where d.action in ('dispatch', 'settle')
),
step as (
    select incident_id, task, seq, at, due, data->>'reason_code' as code,
           case when action = 'note' then data->>'assist' else action end as what
    from entry
    where task is not null and action not in ('dispatch', 'settle') and (action <> 'note' or data ? 'assist')
),
let_go as (
    select e.incident_id, e.seq, e.at from entry e
    where e.action in ('return', 'recategorise', 'hand_up', 'hand_down', 'dismiss', 'merge', 'reopen')
      and not exists (select from merge_undone u where u.incident_id = e.incident_id and u.seq = e.seq)
),
job as (
    select w.*,
           (select max(s.at) from step s where s.what = 'accept' and (s.incident_id, s.task) = (w.incident_id, w.task))
               as accepted_at,
           (select s.due from step s where s.what in ('accept', 'rework', 'extend', 'resume')
               and (s.incident_id, s.task) = (w.incident_id, w.task) order by s.seq desc limit 1) as handle_by,
           (select s.at from step s where s.what in ('handle', 'rework')
               and (s.incident_id, s.task) = (w.incident_id, w.task) order by s.seq desc limit 1) as finish_at,
           (select s.what from step s where s.what in ('handle', 'rework')
               and (s.incident_id, s.task) = (w.incident_id, w.task) order by s.seq desc limit 1) as finish,
           (select s.what from step s where s.what in ('accept', 'suspend', 'resume', 'handle', 'rework', 'return')
               and (s.incident_id, s.task) = (w.incident_id, w.task) order by s.seq desc limit 1) as latest,
           (select count(*) from step s where s.what = 'rework' and (s.incident_id, s.task) = (w.incident_id, w.task))
               as reworks,
           (select max(s.at) from step s where s.what = 'return' and (s.incident_id, s.task) = (w.incident_id, w.task))
               as returned_at,
           (select max(s.code) from step s where s.what = 'return' and (s.incident_id, s.task) = (w.incident_id, w.task))
               as return_code,
           (select max(s.at) from step s where s.what = 'withdraw' and (s.incident_id, s.task) = (w.incident_id, w.task))
               as taken_back_at,
           (select min(g.seq) from let_go g where g.incident_id = w.incident_id and g.seq > w.born) as gone
    from work w
),
task as (
    select j.*, case when j.finish = 'handle' then j.finish_at end as handled_at,
           -- A unit that has neither finished nor given back is let go with the incident.
           least(j.returned_at, j.taken_back_at, case when j.gone is not null and not exists (
               select from step s
               where (s.incident_id, s.task) = (j.incident_id, j.task) and s.seq <= j.gone
                 and s.what in ('handle', 'return')
                 and not exists (select from step w where (w.incident_id, w.task) = (s.incident_id, s.task)
                                 and w.what = 'rework' and w.seq > s.seq and w.seq <= j.gone)
           ) then (select g.at from let_go g where g.incident_id = j.incident_id and g.seq = j.gone) end) as stopped_at
    from job j
),
fact as (
    select k.key, m.incident_id as subject, m.opened_at as at, m.unit, m.category, m.district, m.channel,
           null::numeric as seconds
    from channelled m cross join lateral (values
        ('opened', true),
        ('imported', m.source = 'import'),
        ('dismissed', m.source <> 'import' and m.state = 'dismissed'),
        ('merged', m.source <> 'import' and m.state = 'merged'),
        ('answered_at_intake', m.source <> 'import' and m.at_intake),
        ('closable', m.source <> 'import' and m.state not in ('dismissed', 'merged') and not m.at_intake),
        ('closed', m.source <> 'import' and m.state = 'closed' and not m.at_intake),
        ('close_due', m.source <> 'import' and m.close_by is not null and (
            (m.state = 'closed' and not m.at_intake)
            or (m.state not in ('closed', 'dismissed', 'merged', 'suspended') and m.close_by < %(now)s))),
        ('closed_on_time', m.source <> 'import' and m.state = 'closed' and not m.at_intake and m.closed_at <= m.close_by),
        ('verify_due', m.verified_at is not null or (m.state = 'handled' and m.verify_by < %(now)s)),
        ('verified_on_time', m.verified_at <= m.verify_by),
        ('overdue_open', m.state not in ('closed', 'dismissed', 'merged') and m.due_at < %(now)s),
        ('urged', m.urged > 0),
        ('bounced', m.returns >= 2),
        ('ended', m.state in ('closed', 'dismissed') or m.reopened > 0),
        ('reopened', m.reopened > 0),
        ('source_due', m.source = 'import' and m.state = 'closed' and m.close_by is not null
            and m.closed_at >= m.opened_at),
        ('source_on_time', m.source = 'import' and m.state = 'closed' and m.closed_at >= m.opened_at
            and m.closed_at <= m.close_by)
    ) as k(key, holds) where k.holds
    union all
    select 'completed', incident_id, closed_at, unit, category, district, channel, null
    from channelled where state = 'closed' and not at_intake and source <> 'import'
    union all
    select k.key, m.incident_id, case when k.by_closing then m.closed_at else m.opened_at end,
           m.unit, m.category, m.district, m.channel, extract(epoch from k.till - k.since)
    from channelled m cross join lateral (values
        ('time_dispatch', m.source <> 'import', false, m.opened_at, m.dispatched_at),
        ('time_verify', m.source <> 'import' and m.state = 'closed' and not m.at_intake, true, m.handled_at, m.verified_at),
        ('time_close', m.source <> 'import' and m.state = 'closed' and not m.at_intake, true, m.verified_at, m.closed_at),
        ('time_whole', m.source <> 'import' and m.state = 'closed' and not m.at_intake, true, m.opened_at, m.closed_at),
        ('time_source', m.source = 'import' and m.state = 'closed', false, m.opened_at, m.closed_at)
    ) as k(key, holds, by_closing, since, till) where k.holds and k.since is not null and k.till is not null
    union all
    select k.key, t.incident_id || '/' || t.task, t.dispatched_at, t.unit, m.category, m.district, m.channel, k.seconds
    from task t join channelled m on m.incident_id = t.incident_id
    cross join lateral (values
        ('dispatched', true, null::numeric),
        ('accept_due', t.accepted_at is not null or coalesce(t.stopped_at, %(now)s) > t.accept_by, null),
        ('accepted_on_time', t.accepted_at <= t.accept_by, null),
        ('handle_due', t.accepted_at is not null and (t.handled_at is not null or (
            t.latest <> 'suspend' and coalesce(t.stopped_at, %(now)s) > t.handle_by)), null),
        ('handled_on_time', t.accepted_at is not null and t.handled_at <= t.handle_by, null),
        ('returned', t.returned_at is not null, null),
        ('reworked', t.reworks > 0, null),
        ('led', t.lead, null),
        ('misdispatched', t.lead and (
            coalesce(t.return_code, '') in ('territory', 'ownership', 'duty', 'overlap', 'category')
            or (t.handled_at is null and m.state in ('handled', 'verified', 'closed') and not m.at_intake
                and m.unit <> t.unit)), null),
        ('time_accept', t.accepted_at is not null, extract(epoch from t.accepted_at - t.dispatched_at)),
        ('time_handle', t.accepted_at is not null and t.handled_at is not null,
            extract(epoch from t.handled_at - t.accepted_at))
    ) as k(key, holds, seconds) where k.holds
    union all
    select k.key, r.tracking_number, k.at, m.unit, m.category, m.district, r.channel, null
    from incident_reports r join channelled m on m.incident_id = r.incident_id
    cross join lateral (values
        ('reports', r.received_at, true),
        ('answered', r.received_at, r.answered_at is not null),
        ('rated', r.rated_at, r.satisfaction is not null),
        ('satisfied', r.rated_at, r.satisfaction in (4, 5))
    ) as k(key, at, holds) where k.holds
)
select key, subject, at at time zone interval '8 hours' as at, coalesce(unit, '') as unit,
       coalesce((select case when length(u.division_code) = 9 then 'street'
                             when u.division_code = '500000' then 'city' else 'district' end
                 from units u where u.id = fact.unit), '') as tier,
       category, district as division, channel, seconds::float8 as seconds
from fact where at >= %(since)s and at < %(until)s
