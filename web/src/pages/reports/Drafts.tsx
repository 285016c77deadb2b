import { App, Button, Drawer, Input, Segmented, Upload } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Draft, DraftDetail } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { CategorySelect, DivisionSelect } from '../../ui/selects';

const touched = ['/drafts', '/reports', '/incidents'];

/** Letters and recordings as the machine read them; a person checks each before it becomes a report. */
export function Drafts() {
  const { t, word, lang, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const view = useView();
  const [channel, setChannel] = useState('letter');
  const open = view.get('draft');
  const send = async (file: File) => {
    const body = new FormData();
    body.set('file', file);
    body.set('channel', channel);
    try {
      await api.post('/drafts', body, crypto.randomUUID());
      renew(touched);
    } catch (error) {
      void message.error(errorText(error), 8);
    }
  };
  return (
    <>
      <div className="filters">
        <Segmented value={channel} onChange={setChannel} options={[{ value: 'letter', label: t('channel.letter') }, { value: 'call', label: t('channel.call') }]} />
        <Upload accept={channel === 'letter' ? '.pdf,image/*' : 'audio/*'} showUploadList={false} beforeUpload={(file) => (void send(file), false)}>
          <Button type="primary">{t('draft.choose')}</Button>
        </Upload>
        <span className="muted">{t('draft.hint')}</span>
      </div>
      <PagedTable<Draft>
        path="/drafts"
        rowKey="id"
        columns={[
          { title: t('field.channel'), key: 'channel', width: 100, render: (_, row) => word('channel', row.channel) },
          {
            title: t('field.state'),
            key: 'state',
            render: (_, row) => (
              <>
                {word('draft.state', row.state)} {row.problem && <span className="tone-over">{lang === 'zh' ? row.problem.message : row.problem.message_en}</span>}
              </>
            ),
          },
          { title: t('draft.confidence'), key: 'confidence', width: 100, align: 'right', render: (_, row) => (row.confidence === null ? '—' : `${Math.round(row.confidence * 100)}%`) },
          { title: t('import.by'), key: 'by', width: 200, render: (_, row) => `${row.created_by_name} ${showTime(row.created_at)}` },
          { title: '', key: 'open', width: 90, render: (_, row) => <Button size="small" onClick={() => view.set({ draft: row.id })}>{t('draft.check')}</Button> },
        ]}
      />
      {open && <Check key={open} id={open} onClose={() => view.set({ draft: null })} />}
    </>
  );
}

function Check({ id, onClose }: { id: string; onClose: () => void }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const { data: draft } = useGet<DraftDetail>(`/drafts/${id}`, {}, { refetchInterval: 3000 });
  const [text, setText] = useState<string | null>(null);
  const [category, setCategory] = useState<string>();
  const [division, setDivision] = useState<string>();
  if (!draft) return null;
  const editable = draft.state === 'ready' || draft.state === 'failed';
  const act = async (work: () => Promise<unknown>) => {
    try {
      await work();
      renew(touched);
      onClose();
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const confirm = async () => {
    let { version } = draft;
    if (text !== null && text !== draft.text) ({ version } = await api.put<DraftDetail>(`/drafts/${id}`, { version, text }));
    const made = await api.post<{ tracking_number: string }>(`/drafts/${id}/confirm`, { version, category, division_code: division ?? draft.division_code, address: '' }, `draft-${id}`);
    void message.success(t('report.registered', { number: made.tracking_number }));
  };
  const doubtful = draft.lines.filter((line) => line.confidence !== null && line.confidence < 0.8);
  return (
    <Drawer
      open
      size="min(1100px, 100%)"
      title={`${word('channel', draft.channel)} · ${word('draft.state', draft.state)}`}
      onClose={onClose}
      footer={
        editable && (
          <div className="drawer-foot">
            <Button danger onClick={() => void act(() => api.post(`/drafts/${id}/discard`, { version: draft.version }))}>
              {t('import.discard')}
            </Button>
            <Button type="primary" onClick={() => void act(confirm)} disabled={!(text ?? draft.text).trim()}>
              {t('draft.confirm')}
            </Button>
          </div>
        )
      }
    >
      <div className="draft-grid">
        {draft.media_type.startsWith('audio/') ? (
          <audio controls src={`/api/drafts/${id}/file`} />
        ) : draft.media_type === 'application/pdf' ? (
          <a href={`/api/drafts/${id}/file`} target="_blank" rel="noreferrer">
            {t('draft.file')}
          </a>
        ) : (
          <img src={`/api/drafts/${id}/file`} alt={t('draft.file')} />
        )}
        <div>
          <Input.TextArea rows={14} value={text ?? draft.text} onChange={(event) => setText(event.target.value)} disabled={!editable} aria-label={t('report.content')} />
          {doubtful.length > 0 && <p className="tone-over">{t('draft.doubtful', { lines: doubtful.map((line) => line.text).join(' / ') })}</p>}
          {draft.personal.length > 0 && <p className="muted">{t('draft.personal', { count: draft.personal.length })}</p>}
          {editable && (
            <div className="form-pair">
              <CategorySelect {...(category ? { value: category } : {})} onChange={setCategory} />
              <DivisionSelect {...(division ? { value: division } : {})} onChange={setDivision} />
            </div>
          )}
        </div>
      </div>
    </Drawer>
  );
}
