import { EditOutlined } from '@ant-design/icons';
import { Alert, App, Button, Input, InputNumber, Modal, Segmented, Space } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import type { WrittenReport } from '../../api/types';
import { useTexts } from '../../i18n';

/** Drafts a weekly or duty report: figures come from the record, words from rules; a person mends and uses it. */
export function Writing() {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const [open, setOpen] = useState(false);
  const [kind, setKind] = useState<'weekly' | 'duty'>('weekly');
  const [days, setDays] = useState(7);
  const [draft, setDraft] = useState<WrittenReport>();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState<string[]>([]);
  const write = async () => {
    try {
      const made = await api.post<WrittenReport>('/writing/report', { kind, days });
      setDraft(made);
      setText([made.title, ...made.paragraphs, made.suggestion].filter(Boolean).join('\n'));
      setWrong([]);
    } catch (error) {
      void message.error(errorText(error), 6);
    }
  };
  const check = async () => {
    if (!draft) return;
    const found = await api.post<{ unsupported: string[] }>('/writing/check', { facts: [draft.title, ...draft.paragraphs, draft.suggestion], text });
    setWrong(found.unsupported);
    if (found.unsupported.length === 0) void message.success(t('writing.sound'));
  };
  return (
    <>
      <Button icon={<EditOutlined />} onClick={() => setOpen(true)} data-testid="writing">
        {t('writing.open')}
      </Button>
      <Modal open={open} width={760} title={t('writing.open')} footer={null} onCancel={() => setOpen(false)}>
        <div className="definition">
          <Space wrap>
            <Segmented value={kind} onChange={setKind} options={(['weekly', 'duty'] as const).map((value) => ({ value, label: t(`writing.${value}`) }))} />
            <InputNumber min={1} max={92} precision={0} value={days} onChange={(value) => setDays(value ?? 7)} suffix={t('writing.days')} />
            <Button type="primary" onClick={() => void write()} data-testid="write">
              {t('writing.write')}
            </Button>
          </Space>
          {draft && (
            <>
              <Input.TextArea value={text} onChange={(event) => setText(event.target.value)} autoSize={{ minRows: 8, maxRows: 24 }} aria-label={t('writing.open')} data-testid="written" />
              {wrong.length > 0 && <Alert type="warning" showIcon title={t('writing.unsupported', { numbers: wrong.join('、') })} />}
              <Space>
                <Button onClick={() => void check()}>{t('writing.check')}</Button>
                <small className="muted">{draft.label}</small>
              </Space>
            </>
          )}
        </div>
      </Modal>
    </>
  );
}
