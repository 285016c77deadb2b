import { Alert, Form, Input, Modal, Select } from 'antd';
import { useEffect } from 'react';
import { useGet } from '../api/hooks';
import type { Action, ActionBody, Incident, ReturnReason, Suggestion } from '../api/types';
import { useTexts } from '../i18n';
import { CategorySelect, DivisionSelect, UnitSelect } from './selects';

interface Props {
  asked: { incident: Incident; action: Action };
  busy: boolean;
  onCancel: () => void;
  onSubmit: (fields: ActionBody) => void;
}

/** Asks for what one step of an incident needs. */
export function ActionDialog({ asked: { incident, action }, busy, onCancel, onSubmit }: Props) {
  const { t, word } = useTexts();
  const [form] = Form.useForm<ActionBody>();
  const label = word('action', action.action, action.name);
  const needs = (need: Action['needs'][number]) => action.needs.includes(need);
  const required = (text: string) => [{ required: true, whitespace: true, message: text }];
  return (
    <Modal
      open
      title={`${label} · ${incident.number}`}
      okText={label}
      okButtonProps={{ 'data-testid': 'confirm', danger: action.action === 'dismiss' }}
      confirmLoading={busy}
      onCancel={onCancel}
      onOk={() => form.submit()}
    >
      <p className="muted dialog-what">{incident.title}</p>
      <Form form={form} layout="vertical" onFinish={onSubmit}>
        {needs('unit') && (
          <>
            <Suggested incident={incident} onUnit={(unit_id) => form.setFieldValue('unit_id', unit_id)} />
            <Form.Item name="unit_id" label={t('action.unit')} rules={[{ required: true, message: t('action.unit.missing') }]}>
              <UnitSelect />
            </Form.Item>
            <Form.Item name="assist_unit_ids" label={t('action.assist')}>
              <UnitSelect multiple testId="assist-select" placeholder={t('action.assist.none')} />
            </Form.Item>
          </>
        )}
        {needs('category') && (
          <Form.Item name="category" label={t('field.category')} rules={[{ required: true, message: t('action.category.missing') }]}>
            <CategorySelect testId="category-select" allowClear={false} />
          </Form.Item>
        )}
        {needs('division') && (
          <Form.Item name="division_code" label={t('action.division')} rules={[{ required: true, message: t('action.division.missing') }]}>
            <DivisionSelect testId="division-select" tier={incident.desk_code === '500000' ? 'district' : 'street'} within={incident.desk_code} allowClear={false} />
          </Form.Item>
        )}
        {needs('reason_code') && <ReturnReasonField />}
        {(needs('result') || needs('evidence')) && (
          <Form.Item
            name="result"
            label={t(needs('evidence') ? 'action.evidence' : action.action === 'answer' ? 'action.answer.text' : 'action.result')}
            rules={required(t('action.result.missing'))}
          >
            <Input.TextArea rows={3} maxLength={1000} showCount autoFocus data-testid="result-input" />
          </Form.Item>
        )}
        {needs('reason') && (
          <Form.Item name="reason" label={t(action.action === 'note' ? 'action.note.text' : 'action.reason')} rules={required(t('action.reason.missing'))}>
            <Input.TextArea rows={3} maxLength={500} showCount autoFocus={!needs('unit')} data-testid="reason-input" />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}

/** The unit that the responsibilities choose, with the reasons; it fills the field. */
function Suggested({ incident, onUnit }: { incident: Incident; onUnit: (unitId: string) => void }) {
  const { t } = useTexts();
  const { data } = useGet<Suggestion>(`/incidents/${incident.id}/suggestion`);
  const unit = data?.unit_id;
  useEffect(() => {
    if (unit) onUnit(unit);
    // The field is filled once, when the suggestion comes; what the person chooses then stays.
  }, [unit]);
  if (!data) return null;
  if (!unit) return <Alert className="suggested" type="warning" showIcon title={t('action.suggestion.none')} />;
  return (
    <Alert
      className="suggested"
      type="info"
      showIcon
      title={t('action.suggestion', { unit: data.unit_name ?? unit })}
      description={data.reasons.join('；')}
      data-testid="suggestion"
    />
  );
}

function ReturnReasonField() {
  const { t, lang } = useTexts();
  const reasons = useGet<ReturnReason[]>('/return-reasons', {}, { staleTime: Infinity });
  return (
    <Form.Item name="reason_code" label={t('action.reason_code')} rules={[{ required: true, message: t('action.reason_code.missing') }]}>
      <Select
        options={(reasons.data ?? []).map(({ code, name, name_en: english }) => ({ value: code, label: lang === 'zh' ? name : english }))}
        data-testid="reason-code"
        aria-label={t('action.reason_code')}
        autoFocus
      />
    </Form.Item>
  );
}
