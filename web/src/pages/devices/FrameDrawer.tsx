import { App, Button, Drawer, Form, Input, Modal, Space } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { QuarantinedDetail } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts, type Texts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { Answered } from '../../ui/states';

/** Sixteen bytes a line, each line with its offset. */
function hexLines(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push(`${at.toString(16).padStart(4, '0')}  ${bytes.slice(at, at + 16).join(' ')}`);
  }
  return lines.join('\n');
}

/** What came of the last replay, or why it was thrown away. */
function outcomeOf(frame: QuarantinedDetail, { lang, t }: Texts): string {
  const outcome = frame.outcome;
  if (!outcome) return '';
  if (typeof outcome.reason === 'string') return t('quarantine.because', { reason: outcome.reason });
  const error = outcome.error;
  if (typeof error !== 'object' || error === null) return '';
  const text = (error as Record<string, unknown>)[lang === 'zh' ? 'message' : 'message_en'];
  return typeof text === 'string' ? t('quarantine.again', { reason: text }) : '';
}

/** One piece in quarantine: look at it, have it tried again, or give it up with a reason. */
export function FrameDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const texts = useTexts();
  const { t, word, lang, errorText } = texts;
  const { has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [replaying, setReplaying] = useState(false);
  const [discarding, setDiscarding] = useState(false);
  const [form] = Form.useForm<{ reason: string }>();
  const answer = useGet<QuarantinedDetail>(
    id ? `/quarantine/${encodeURIComponent(id)}` : null,
    {},
    { refetchInterval: replaying ? 1000 : false },
  );
  const frame = answer.data;
  const actable = frame?.state === 'waiting' && has('steward');
  if (replaying && frame && frame.state !== 'replay_requested') setReplaying(false);

  const act = async (action: 'replay' | 'discard', body?: { reason: string }) => {
    try {
      await api.post(`/quarantine/${encodeURIComponent(id)}/${action}`, body);
      void message.success(t(`quarantine.${action}.done`));
      setDiscarding(false);
      await answer.refetch();
      setReplaying(action === 'replay');
    } catch (error) {
      void message.error(errorText(error));
    }
    renew(['/quarantine']);
  };

  return (
    <Drawer
      open={id !== ''}
      onClose={onClose}
      size={640}
      title={t('quarantine.frame')}
      extra={
        actable && (
          <Space>
            <Button danger onClick={() => setDiscarding(true)} data-testid="quarantine-discard">
              {t('quarantine.discard')}
            </Button>
            <Button type="primary" onClick={() => void act('replay')} data-testid="quarantine-replay">
              {t('quarantine.replay')}
            </Button>
          </Space>
        )
      }
    >
      <Answered answer={answer} rows={8}>
        {(shown) => (
          <div className="frame">
            <p className="frame-reason">{lang === 'zh' ? shown.reason_text : shown.reason_text_en}</p>
            <p className="muted">
              {[shown.source, shown.device, shown.peer, showFullTime(shown.received_at)].filter(Boolean).join(' · ')}
              {shown.count > 0 && ` · ${t('quarantine.more', { count: shown.count })}`}
            </p>
            <p>
              <span className="pill" data-testid="quarantine-state">{word('quarantine.state', shown.state)}</span> {outcomeOf(shown, texts)}
            </p>
            <h3>{t('quarantine.hex')}</h3>
            <pre>{hexLines(shown.hex)}</pre>
            <h3>{t('quarantine.text')}</h3>
            <pre className="wrap">{shown.text}</pre>
          </div>
        )}
      </Answered>
      <Modal open={discarding} title={t('quarantine.discard')} okText={t('quarantine.discard')} okButtonProps={{ danger: true, 'data-testid': 'confirm' }} onCancel={() => setDiscarding(false)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} onFinish={(fields) => void act('discard', fields)}>
          <Form.Item name="reason" label={t('action.reason')} rules={[{ required: true, whitespace: true, message: t('action.reason.missing') }]}>
            <Input.TextArea rows={3} maxLength={500} data-testid="reason-input" />
          </Form.Item>
        </Form>
      </Modal>
    </Drawer>
  );
}
