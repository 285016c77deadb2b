import { App, Button, Form, Input, type InputRef } from 'antd';
import type { TextAreaRef } from 'antd/es/input/TextArea';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api, ApiError } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { ReportMade, Understanding } from '../../api/types';
import { useTexts } from '../../i18n';
import { Page, Panel } from '../../ui/Page';
import { CategorySelect } from '../../ui/selects';
import { AnyDivisionSelect } from './AnyDivisionSelect';
import { Proposals } from './Proposals';
import { Registered } from './Registered';
import { useUnderstanding } from './useUnderstanding';

interface Fields {
  content: string;
  category?: string;
  division_code?: string;
  address?: string;
  answer?: string;
  reporter_name?: string;
  reporter_phone?: string;
}

type Proposed = 'category' | 'division_code' | 'address';

/** The hotline's form: from a caller's words to a finished record without leaving the keyboard. */
export default function IntakePage() {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [form] = Form.useForm<Fields>();
  const first = useRef<TextAreaRef>(null);
  const answerField = useRef<InputRef>(null);
  const own = useRef(new Set<Proposed>());
  const key = useRef(crypto.randomUUID());
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState<ReportMade | null>(null);
  const [waiting, setWaiting] = useState<string[]>([]);
  const text = Form.useWatch('content', form) ?? '';
  const chosen = [Form.useWatch('category', form), Form.useWatch('division_code', form)];
  const found = useUnderstanding(made ? '' : text);

  const propose = useCallback(
    (name: Proposed, value: string | null | undefined) => {
      if (!own.current.has(name)) form.setFieldValue(name, value ?? undefined);
    },
    [form],
  );
  useEffect(() => {
    if (!found) return;
    propose('category', found.category === 'none' ? null : found.category);
    propose('division_code', found.division_code);
    propose('address', found.roads.map((road) => road.name + road.number).join('、'));
  }, [found, propose]);

  const choose = (name: Proposed, value: string) => {
    own.current.add(name);
    form.setFieldValue(name, value);
  };

  const next = useCallback(() => {
    const [matter, ...rest] = waiting;
    const caller = form.getFieldsValue(['reporter_name', 'reporter_phone', 'division_code', 'address']);
    form.resetFields();
    own.current.clear();
    key.current = crypto.randomUUID();
    setMade(null);
    setWaiting(rest);
    if (matter) form.setFieldsValue({ ...caller, content: matter });
    first.current?.focus();
  }, [form, waiting]);

  const submit = async (fields: Fields) => {
    if (busy || made) return;
    setBusy(true);
    try {
      const report = await api.post<ReportMade>('/reports', { ...fields, channel: 'hotline' }, key.current);
      setMade(report);
      renew(['/incidents', '/reports', '/situation']);
    } catch (error) {
      key.current = crypto.randomUUID();
      if (error instanceof ApiError && error.code === 'incident_place_division') {
        form.setFields([{ name: 'division_code', errors: [t('form.missing', { field: t('field.division') })] }]);
        form.focusField('division_code');
      } else void message.error(errorText(error));
    } finally {
      setBusy(false);
    }
  };

  const split = () => {
    const parts = found?.matters ?? [];
    const [head, ...rest] = parts.map((each) => each.text);
    if (!head || rest.length === 0) return;
    form.setFieldValue('content', head);
    setWaiting(rest);
  };

  const press = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.submit();
    } else if (event.key === 'Escape' && made) {
      event.preventDefault();
      next();
    } else if (event.altKey && !event.ctrlKey) {
      const chosen = byKey(found, event.code);
      if (chosen) choose(...chosen);
      else if (event.code === 'KeyF') split();
      else if (event.code === 'KeyD') answerField.current?.focus();
      else return;
      event.preventDefault();
    }
  };

  return (
    <Page title={t('intake.title')} className="intake" extra={<Keys waiting={waiting.length} />}>
      <div className="intake-grid" onKeyDown={press}>
        <Panel>
          <Form form={form} layout="vertical" disabled={made !== null} scrollToFirstError={{ focus: true }} onFinish={(fields) => void submit(fields)}>
            <Form.Item name="content" label={t('intake.words')} rules={[{ required: true, whitespace: true, message: t('form.missing', { field: t('intake.words') }) }]}>
              <Input.TextArea ref={first} autoFocus rows={6} maxLength={4000} data-testid="intake-words" />
            </Form.Item>
            <div className="form-pair">
              <Form.Item name="category" label={t('field.category')}>
                <CategorySelect allowClear={false} testId="intake-category" onChange={(value) => value && choose('category', value)} />
              </Form.Item>
              <Form.Item name="division_code" label={t('field.division')}>
                <AnyDivisionSelect known={found?.divisions ?? []} onChange={(value) => value && choose('division_code', value)} />
              </Form.Item>
            </div>
            <Form.Item name="address" label={t('field.address')}>
              <Input maxLength={200} autoComplete="off" onChange={() => own.current.add('address')} data-testid="intake-address" />
            </Form.Item>
            <div className="form-pair">
              <Form.Item name="reporter_phone" label={t('report.phone')} rules={[{ pattern: /^[\d+\- ]{5,20}$/, message: t('report.phone.wrong') }]}>
                <Input maxLength={20} autoComplete="off" inputMode="tel" data-testid="intake-phone" />
              </Form.Item>
              <Form.Item name="reporter_name" label={t('report.name')}>
                <Input maxLength={50} autoComplete="off" data-testid="intake-name" />
              </Form.Item>
            </div>
            <Form.Item name="answer" label={t('intake.answer')} extra={t('intake.answer.hint')}>
              <Input ref={answerField} maxLength={1000} autoComplete="off" data-testid="intake-answer" />
            </Form.Item>
            <Button type="primary" htmlType="submit" loading={busy} block size="large" data-testid="intake-send">
              {t('intake.send')} <kbd>Ctrl+Enter</kbd>
            </Button>
          </Form>
        </Panel>
        {made ? <Registered made={made} more={waiting.length} onNext={next} /> : <Proposals found={found} chosen={chosen} onChoose={choose} onSplit={split} />}
      </div>
    </Page>
  );
}

/** Alt+1 to 3 choose a category, Alt+4 to 6 a division. */
function byKey(found: Understanding | null, code: string): [Proposed, string] | null {
  const number = /^Digit([1-6])$/.exec(code)?.[1];
  if (!found || !number) return null;
  const place = Number(number) - 1;
  const category = found.alternatives[place]?.category;
  if (place < 3) return category ? ['category', category] : null;
  const division = found.divisions[place - 3]?.code;
  return division ? ['division_code', division] : null;
}

function Keys({ waiting }: { waiting: number }) {
  const { t } = useTexts();
  return (
    <span className="keys">
      {waiting > 0 && <em className="escalated">{t('intake.waiting', { count: waiting })}</em>}
      <kbd>Tab</kbd> {t('intake.key.next')} <kbd>Alt+1…3</kbd> {t('field.category')} <kbd>Alt+4…6</kbd> {t('field.division')} <kbd>Alt+F</kbd> {t('intake.key.split')} <kbd>Alt+D</kbd>{' '}
      {t('intake.answer')} <kbd>Ctrl+Enter</kbd> {t('intake.send')} <kbd>Esc</kbd> {t('intake.key.done')}
    </span>
  );
}
