import { App, Button, Input, Modal } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Contact, Report } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { Panel } from '../../ui/Page';
import { DraftAnswer } from './Advice';

/** Everybody who told of the incident, and what each was answered. */
export function Reports({ reports }: { reports: Report[] }) {
  const { t, word } = useTexts();
  const { has } = useSession();
  const [reading, setReading] = useState<Report | null>(null);
  if (reports.length === 0) return null;
  return (
    <Panel title={t('incident.reports', { count: reports.length })}>
      <ul className="reports">
        {reports.map((report) => (
          <li key={report.id}>
            <p>{report.content}</p>
            <small>
              <span className="num">{report.tracking_number}</span> · {word('channel', report.channel, report.channel_name)} · {showTime(report.received_at)} {report.address && `· ${report.address}`}
              {has('dispatcher', 'duty_officer', 'handler') && (
                <Button size="small" type="link" onClick={() => setReading(report)}>
                  {t('contact.read')}
                </Button>
              )}
              {!report.answer && has('dispatcher', 'duty_officer', 'handler') && <DraftAnswer report={report} />}
            </small>
            {report.answer && (
              <blockquote>
                {t('report.answered', { time: showTime(report.answered_at) })}：{report.answer}
                {report.satisfaction && <b> {t('report.satisfaction', { points: report.satisfaction })}</b>} {report.comment}
              </blockquote>
            )}
          </li>
        ))}
      </ul>
      {reading && <ContactDialog report={reading} onClose={() => setReading(null)} />}
    </Panel>
  );
}

/** Shows who reported, after asking what for: each reading is put on record. */
function ContactDialog({ report, onClose }: { report: Report; onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const [purpose, setPurpose] = useState('');
  const [contact, setContact] = useState<Contact | null>(null);
  const read = async () => {
    try {
      setContact(await api.post<Contact>(`/reports/${report.id}/contact`, { purpose }));
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <Modal open title={t('contact.title', { number: report.tracking_number })} onCancel={onClose} onOk={contact ? onClose : () => void read()} okText={contact ? t('close') : t('contact.read')} okButtonProps={{ disabled: !contact && purpose.trim().length < 2 }}>
      {contact ? (
        <dl className="facts">
          <div>
            <dt>{t('report.name')}</dt>
            <dd>{contact.name ?? '—'}</dd>
          </div>
          <div>
            <dt>{t('report.phone')}</dt>
            <dd className="num">{contact.phone ?? '—'}</dd>
          </div>
          <div>
            <dt>{t('report.content')}</dt>
            <dd>{contact.content}</dd>
          </div>
        </dl>
      ) : (
        <>
          <p className="muted">{t('contact.hint')}</p>
          <Input value={purpose} onChange={(event) => setPurpose(event.target.value)} placeholder={t('contact.purpose')} maxLength={200} autoFocus />
        </>
      )}
    </Modal>
  );
}
