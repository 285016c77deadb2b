import { Button, Drawer, Form, Input, Radio } from 'antd';
import { useCallback, useState } from 'react';
import { useGet } from '../../api/hooks';
import type { ReturnReason, Task } from '../../api/types';
import { useTexts } from '../../i18n';
import { platformNow } from '../../lib/clock';
import { showFullTime } from '../../lib/time';
import { MOST_SHOTS, Shots } from '../../offline/Shots';
import { useDraft } from '../../offline/useOutbox';
import { PlaceField, type PlaceValue } from '../../ui/PlaceField';
import type { Step } from './projected';

export interface Fields {
  result?: string;
  reason?: string;
  reason_code?: string;
  hours?: number;
  place?: PlaceValue;
}

interface Draft {
  fields: Fields;
  shots: Blob[];
}

interface Props {
  task: Task;
  step: Step;
  onClose: () => void;
  onDone: (body: Record<string, unknown>, shots: Blob[], draft: string) => void;
}

const HOURS = [4, 24, 72, 168];

/** From when the time that is asked for counts: an extension from the deadline, unless that has passed. */
const untilOf = (task: Task, step: Step, hours: number) => {
  const from = step === 'extension' && task.handle_by ? Math.max(Date.parse(task.handle_by), platformNow()) : platformNow();
  return new Date(from + hours * 3_600_000).toISOString();
};

/** Asks for what one step needs; what has been filled in stays on the phone until it is sent. */
export function StepDrawer({ task, step, onClose, onDone }: Props) {
  const { t, lang } = useTexts();
  const [form] = Form.useForm<Fields>();
  const [shots, setShots] = useState<Blob[]>([]);
  const hours = Form.useWatch('hours', form);
  const reasons = useGet<ReturnReason[]>(step === 'return' ? '/return-reasons' : null, {}, { staleTime: Infinity });
  const draft = `${task.id}:${step}`;
  const restore = useCallback(
    (found: Draft) => {
      form.setFieldsValue(found.fields);
      setShots(found.shots);
    },
    [form],
  );
  const keep = useDraft<Draft>(draft, restore);
  const asking = step === 'extension' || step === 'suspension';
  const withPhotos = step === 'handle' || step === 'note';
  const reasonCode = Form.useWatch('reason_code', form);

  const submit = ({ place, hours: chosen, ...fields }: Fields) => {
    const until = asking ? { kind: step, until: untilOf(task, step, chosen ?? 0) } : {};
    const where = place?.lon != null && place.lat != null ? { lon: place.lon, lat: place.lat } : {};
    onDone({ ...fields, ...until, ...where }, shots, draft);
  };

  const text = step === 'handle' ? 'result' : 'reason';
  return (
    <Drawer open onClose={onClose} placement="bottom" size={withPhotos ? '92%' : 'large'} className="handle" title={t(`step.name.${step}`)} destroyOnHidden
      footer={
        <Button type="primary" size="large" block onClick={() => form.submit()} data-testid="confirm">
          {t(`step.submit.${asking ? 'ask' : 'do'}`, { action: t(`step.name.${step}`) })}
        </Button>
      }
    >
      <p className="handle-what">
        <b>{task.incident.title}</b>
        <span className="muted">{[task.incident.division_name, task.incident.address].filter(Boolean).join(' ')}</span>
      </p>
      <Form form={form} layout="vertical" size="large" onFinish={submit} onValuesChange={(_, fields) => keep({ fields, shots })}>
        {withPhotos && (
          <Form.Item label={t('handle.photos', { most: MOST_SHOTS })}>
            <Shots
              value={shots}
              camera
              labels={{ add: t('handle.photo.add'), photo: (number) => t('handle.photo', { number }), remove: t('handle.photo.remove') }}
              onChange={(next) => {
                setShots(next);
                keep({ fields: form.getFieldsValue(), shots: next });
              }}
            />
          </Form.Item>
        )}
        {step === 'handle' && task.role === 'lead' && (
          <Form.Item name="place" label={t('handle.place')}>
            <PlaceField pickable={false} />
          </Form.Item>
        )}
        {step === 'handle' && task.role === 'lead' && task.incident.lon !== null && (
          <Button size="small" type="link" className="use-place" onClick={() => form.setFieldValue('place', { lon: task.incident.lon, lat: task.incident.lat })}>
            {t('handle.place.same')}
          </Button>
        )}
        {step === 'return' && (
          <Form.Item name="reason_code" label={t('step.reason_code')} rules={[{ required: true, message: t('step.reason_code.missing') }]}>
            <Radio.Group
              className="choices"
              optionType="button"
              options={(reasons.data ?? []).map(({ code, name, name_en: english }) => ({ value: code, label: lang === 'zh' ? name : english }))}
            />
          </Form.Item>
        )}
        {asking && (
          <Form.Item
            name="hours"
            label={t(`step.hours.${step}`)}
            rules={[{ required: true, message: t('step.hours.missing') }]}
            extra={hours ? t('step.until', { time: showFullTime(untilOf(task, step, hours)).slice(0, -3) }) : undefined}
          >
            <Radio.Group className="choices" optionType="button" options={HOURS.map((each) => ({ value: each, label: t(`step.hours.${each as 4 | 24 | 72 | 168}`) }))} />
          </Form.Item>
        )}
        <Form.Item
          name={text}
          label={t(step === 'handle' ? 'action.result' : step === 'note' ? 'action.note.text' : 'action.reason')}
          rules={[{ required: true, whitespace: true, message: t(step === 'handle' ? 'action.result.missing' : 'action.reason.missing') }]}
          extra={reasonCode === 'untrue' ? t('step.untrue') : undefined}
        >
          <Input.TextArea rows={4} maxLength={1000} showCount placeholder={step === 'handle' ? t('handle.result.hint') : undefined} data-testid={`${text}-input`} />
        </Form.Item>
      </Form>
    </Drawer>
  );
}
