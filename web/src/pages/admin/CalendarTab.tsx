import { App, Button, Input, InputNumber, Modal, Segmented } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { CityCalendar } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { cityTime } from '../../lib/time';
import { useView } from '../../lib/view';

type Day = CityCalendar['days'][number];

/** 1 for Monday to 7 for Sunday. */
const weekday = (day: string) => ((cityTime(`${day}T12:00:00+08:00`).day() + 6) % 7) + 1;

/** All days of a month: those that are as their weekday is, and those that are not. */
function daysOf({ year, days }: CityCalendar, month: number): Day[] {
  const known = new Map(days.map((each) => [each.day, each]));
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return Array.from({ length }, (_, index) => {
    const day = `${year}-${String(month).padStart(2, '0')}-${String(index + 1).padStart(2, '0')}`;
    return known.get(day) ?? { day, working: weekday(day) < 6, note: '', own: false };
  });
}

/** The year as working time sees it: rest days, make-up days, and the days that the city has settled itself. */
export function CalendarTab() {
  const { t, errorText } = useTexts();
  const { me, has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const view = useView();
  const year = view.number('year', cityTime(platformNow()).year());
  const { data } = useGet<CityCalendar>('/calendar', { year }, { keep: true });
  const [editing, setEditing] = useState<Day | null>(null);
  const [working, setWorking] = useState(true);
  const [note, setNote] = useState('');
  const writer = me.division?.code === '500000' && has('operator', 'duty_officer');
  const act = async (work: Promise<unknown>) => {
    try {
      await work;
      setEditing(null);
      renew(['/calendar']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const months = data ? Array.from({ length: 12 }, (_, index) => daysOf(data, index + 1)) : [];
  return (
    <>
      <div className="filters">
        <InputNumber value={year} min={2004} max={2100} onChange={(value) => value && view.set({ year: value })} aria-label={t('calendar.year')} />
        {data && <span className="muted">{t('calendar.known', { day: data.known_until, hours: data.hours.join('、') })}</span>}
      </div>
      <div className="calendar">
        {months.map((days, index) => (
          <section key={index}>
            <h3>{t('calendar.month', { month: index + 1 })}</h3>
            <ol>
              {days.map((each, at) => (
                <li key={each.day} style={at === 0 ? { gridColumnStart: weekday(each.day) } : undefined}>
                  <button
                    type="button"
                    disabled={!writer}
                    className={`day ${each.working ? 'day-work' : 'day-rest'} ${each.own ? 'day-own' : ''}`}
                    title={each.note}
                    onClick={() => {
                      setEditing(each);
                      setWorking(!each.working);
                      setNote(each.note);
                    }}
                  >
                    {Number(each.day.slice(8))}
                  </button>
                </li>
              ))}
            </ol>
          </section>
        ))}
      </div>
      {editing && (
        <Modal
          open
          title={editing.day}
          onCancel={() => setEditing(null)}
          footer={
            <div className="drawer-foot">
              {editing.own && <Button onClick={() => void act(api.remove(`/calendar/days/${editing.day}`))}>{t('calendar.drop')}</Button>}
              <Button type="primary" onClick={() => void act(api.put('/calendar/days', { day: editing.day, working, note }))}>
                {t('save')}
              </Button>
            </div>
          }
        >
          <Segmented value={working} onChange={setWorking} options={[{ value: true, label: t('calendar.work') }, { value: false, label: t('calendar.rest') }]} />
          <Input value={note} onChange={(event) => setNote(event.target.value)} placeholder={t('rule.note')} maxLength={200} />
        </Modal>
      )}
    </>
  );
}
