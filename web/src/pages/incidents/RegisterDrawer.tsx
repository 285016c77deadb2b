import { App, Button, Drawer, Form, Input, Segmented } from 'antd';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Incident, Level, ReportMade } from '../../api/types';
import { useTexts } from '../../i18n';
import { LevelMark } from '../../ui/level';
import { PlaceField, type PlaceValue } from '../../ui/PlaceField';
import { CategorySelect, DivisionSelect } from '../../ui/selects';

interface Fields {
  title?: string;
  content: string;
  category?: string;
  grade?: Level;
  division_code?: string;
  place?: PlaceValue;
  address: string;
  reporter_name?: string;
  reporter_phone?: string;
}

/** Writes down what a resident reports, or opens an incident by hand. */
export function RegisterDrawer({ kind, onClose }: { kind: 'report' | 'manual' | null; onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const navigate = useNavigate();
  const renew = useRefresh();
  const [form] = Form.useForm<Fields>();
  const [busy, setBusy] = useState(false);
  const report = kind === 'report';

  const submit = async ({ place, content, title, grade, ...rest }: Fields) => {
    setBusy(true);
    const where = { lon: place?.lon ?? null, lat: place?.lat ?? null };
    try {
      let incidentId: string;
      if (report) {
        const made = await api.post<ReportMade>('/reports', { content, ...rest, ...where });
        incidentId = made.incident_id;
        void message.success(t('report.registered', { number: made.tracking_number }));
      } else {
        const { id } = await api.post<Incident>('/incidents', { title, description: content, grade, ...rest, ...where });
        incidentId = id;
        void message.success(t('incident.created'));
      }
      renew(['/incidents', '/reports', '/situation']);
      void navigate(`/incidents/${incidentId}`);
    } catch (error) {
      void message.error(errorText(error));
    } finally {
      setBusy(false);
    }
  };

  const needed = (text: string) => [{ required: true, message: t('form.missing', { field: text }) }];
  return (
    <Drawer
      open={kind !== null}
      onClose={onClose}
      size={520}
      destroyOnHidden
      title={t(report ? 'report.register' : 'incident.create')}
      footer={
        <div className="drawer-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button type="primary" loading={busy} onClick={() => form.submit()} data-testid="confirm">
            {t(report ? 'report.submit' : 'incident.submit')}
          </Button>
        </div>
      }
    >
      <Form form={form} layout="vertical" preserve={false} onFinish={(fields) => void submit(fields)} initialValues={{ grade: 4 }}>
        {!report && (
          <Form.Item name="title" label={t('field.title')} rules={needed(t('field.title'))}>
            <Input maxLength={100} data-testid="title-input" />
          </Form.Item>
        )}
        <Form.Item name="content" label={t(report ? 'report.content' : 'field.description')} rules={needed(t(report ? 'report.content' : 'field.description'))}>
          <Input.TextArea rows={4} maxLength={2000} showCount data-testid="content-input" />
        </Form.Item>
        <div className="form-pair">
          <Form.Item name="category" label={t('field.category')} rules={report ? [] : needed(t('field.category'))} extra={report ? t('report.category.hint') : undefined}>
            <CategorySelect testId="category-input" />
          </Form.Item>
          <Form.Item name="division_code" label={t('field.division')} rules={report ? [] : needed(t('field.division'))}>
            <DivisionSelect testId="division-input" />
          </Form.Item>
        </div>
        {!report && (
          <Form.Item name="grade" label={t('field.grade')}>
            <Segmented options={([1, 2, 3, 4] as const).map((grade) => ({ value: grade, label: <LevelMark level={grade} of="incident" long /> }))} />
          </Form.Item>
        )}
        <Form.Item name="address" label={t('field.address')} rules={needed(t('field.address'))}>
          <Input maxLength={200} data-testid="address-input" />
        </Form.Item>
        <Form.Item
          name="place"
          label={t('field.place')}
          rules={[
            {
              required: true,
              validator: (_, value: PlaceValue | undefined) =>
                value?.lon != null && value.lat != null ? Promise.resolve() : Promise.reject(new Error(t('place.missing'))),
            },
          ]}
        >
          <PlaceField />
        </Form.Item>
        {report && (
          <div className="form-pair">
            <Form.Item name="reporter_name" label={t('report.name')}>
              <Input maxLength={50} autoComplete="off" />
            </Form.Item>
            <Form.Item name="reporter_phone" label={t('report.phone')} rules={[{ pattern: /^[\d+\- ]{5,20}$/, message: t('report.phone.wrong') }]}>
              <Input maxLength={20} autoComplete="off" inputMode="tel" />
            </Form.Item>
          </div>
        )}
      </Form>
    </Drawer>
  );
}
