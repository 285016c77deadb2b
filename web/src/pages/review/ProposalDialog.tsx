import { App, Form, Input, Modal, Segmented, Select } from 'antd';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Paged, ProposalDetail, ProposalIn, ReviewDetail, Threshold } from '../../api/types';
import { useTexts } from '../../i18n';
import { LevelMark } from '../../ui/level';
import { useClassName, useMetricName } from '../../ui/names';
import { CategorySelect, DivisionSelect, UnitSelect } from '../../ui/selects';

const kinds = ['responsibility', 'limit', 'category_rule', 'threshold'] as const;
const grades = [1, 2, 3, 4] as const;
const steps = ['dispatch', 'accept', 'handle', 'verify', 'close', 'settle', 'request', 'whole'] as const;

interface Fields {
  category?: string;
  division_code?: string;
  unit_id?: string;
  deputy_unit_id?: string;
  hours?: string;
  months?: string;
  grade?: number;
  step?: string;
  amount?: string;
  words?: string;
  rule_id?: string;
  level?: string;
  value?: string;
  duration?: string;
  reason: string;
}

/** Proposes a change that can be executed; it is tried on past cases before anybody approves it. */
export function ProposalDialog({ review, onClose }: { review: ReviewDetail; onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const navigate = useNavigate();
  const renew = useRefresh();
  const [form] = Form.useForm<Fields>();
  const [kind, setKind] = useState<(typeof kinds)[number]>('responsibility');
  const first = review.facts[0]?.incident;
  const needed = (text: string) => [{ required: true, message: t('form.missing', { field: text }) }];
  const submit = async (fields: Fields) => {
    try {
      const body = { kind, change: changeOf(kind, fields), reason: fields.reason, review_id: review.id };
      const made = await api.post<ProposalDetail>('/proposals', body);
      renew(['/reviews', '/proposals']);
      void navigate(`/proposals/${made.id}`);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <Modal open title={t('proposal.make')} okText={t('proposal.make')} okButtonProps={{ 'data-testid': 'confirm' }} onCancel={onClose} onOk={() => form.submit()} width={600}>
      <Segmented block value={kind} onChange={setKind} options={kinds.map((value) => ({ value, label: t(`proposal.kind.${value}`) }))} className="cases-part" />
      <Form form={form} layout="vertical" initialValues={{ category: first?.category, division_code: first?.division_code.slice(0, 6), grade: first?.grade, step: 'handle' }} onFinish={(fields) => void submit(fields)}>
        {kind !== 'threshold' && (
          <div className="form-pair">
            {kind !== 'limit' && (
              <Form.Item name="division_code" label={t('field.division')}>
                <DivisionSelect testId="proposal-division" />
              </Form.Item>
            )}
            <Form.Item name="category" label={t('field.category')} rules={needed(t('field.category'))}>
              <CategorySelect testId="proposal-category" />
            </Form.Item>
          </div>
        )}
        {kind === 'responsibility' && (
          <>
            <Form.Item name="unit_id" label={t('field.unit')} rules={needed(t('field.unit'))}>
              <UnitSelect testId="proposal-unit" />
            </Form.Item>
            <Form.Item name="deputy_unit_id" label={t('responsibility.deputy')}>
              <UnitSelect allowClear placeholder={t('responsibility.deputy')} testId="proposal-deputy" />
            </Form.Item>
          </>
        )}
        {kind === 'limit' && (
          <div className="form-pair">
            <Form.Item name="grade" label={t('field.grade')} rules={needed(t('field.grade'))}>
              <Select options={grades.map((value) => ({ value, label: <LevelMark level={value} of="incident" long /> }))} />
            </Form.Item>
            <Form.Item name="step" label={t('limit.step')}>
              <Select options={steps.map((value) => ({ value, label: t(`limit.step.${value}`) }))} />
            </Form.Item>
            <Form.Item name="amount" label={t('limit.amount')} extra={t('limit.amount.hint')} rules={needed(t('limit.amount'))}>
              <Input placeholder="3 wd" />
            </Form.Item>
          </div>
        )}
        {kind === 'category_rule' && (
          <Form.Item name="words" label={t('rule.any')} extra={t('rule.words.hint')} rules={needed(t('rule.any'))}>
            <Input />
          </Form.Item>
        )}
        {kind === 'threshold' && <ThresholdFields />}
        <Form.Item name="reason" label={t('action.reason')} rules={needed(t('action.reason'))}>
          <Input.TextArea rows={2} maxLength={500} data-testid="proposal-reason" />
        </Form.Item>
      </Form>
    </Modal>
  );
}

function ThresholdFields() {
  const { t, word } = useTexts();
  const className = useClassName();
  const metricName = useMetricName();
  const rules = useGet<Paged<Threshold>>('/thresholds', { size: 200 });
  return (
    <div className="form-pair">
      <Form.Item name="rule_id" label={t('proposal.kind.threshold')} rules={[{ required: true }]}>
        <Select showSearch={{ optionFilterProp: 'label' }} options={(rules.data?.items ?? []).map((rule) => ({ value: rule.id, label: `${rule.device_id ?? className(rule.device_class ?? '')} ${metricName(rule.metric, rule.device_class)} ${word('direction', rule.direction)}` }))} popupMatchSelectWidth={false} />
      </Form.Item>
      <Form.Item name="level" label={t('threshold.level')}>
        <Select allowClear options={grades.map((value) => ({ value: String(value), label: <LevelMark level={value} /> }))} />
      </Form.Item>
      <Form.Item name="value" label={t('threshold.value')}>
        <Input inputMode="decimal" />
      </Form.Item>
      <Form.Item name="duration" label={t('threshold.seconds')}>
        <Input inputMode="decimal" />
      </Form.Item>
    </div>
  );
}

function changeOf(kind: (typeof kinds)[number], fields: Fields): ProposalIn['change'] {
  switch (kind) {
    case 'responsibility':
      return { kind, division_code: fields.division_code ?? '500000', category: fields.category ?? '', hours: fields.hours ?? '', months: fields.months ?? '', unit_id: fields.unit_id ?? null, deputy_unit_id: fields.deputy_unit_id ?? null };
    case 'limit':
      return { kind, category: fields.category ?? '*', grade: fields.grade ?? 4, step: (fields.step ?? 'handle') as (typeof steps)[number], amount: fields.amount ?? null };
    case 'category_rule':
      return { kind, rule_id: null, category: fields.category ?? null, all_words: [], any_words: (fields.words ?? '').split(/[\s,，、]+/).filter(Boolean), division_code: fields.division_code ?? null, note: fields.reason };
    case 'threshold':
      return {
        kind,
        rule_id: fields.rule_id ?? '',
        levels: fields.level && fields.value ? { [fields.level]: Number(fields.value) } : null,
        duration_seconds: fields.duration ? Number(fields.duration) : null,
        hysteresis: null,
        opens_incident_at: null,
        enabled: null,
      };
  }
}
