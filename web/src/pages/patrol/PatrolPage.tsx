import { App, Button, Form, Input } from 'antd';
import { useCallback, useEffect, useState } from 'react';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { readAll } from '../../offline/db';
import { add, listen, type Sent } from '../../offline/outbox';
import { OutboxList } from '../../offline/OutboxList';
import { MOST_SHOTS, Shots } from '../../offline/Shots';
import { useDraft, useOnline } from '../../offline/useOutbox';
import { Page, Panel } from '../../ui/Page';
import { PlaceField, type PlaceValue } from '../../ui/PlaceField';
import { CategorySelect, DivisionSelect } from '../../ui/selects';

interface Fields {
  content?: string;
  category?: string;
  division_code?: string;
  address?: string;
  place?: PlaceValue;
}

interface Draft {
  fields: Fields;
  shots: Blob[];
}

const DRAFT = 'patrol';
const SHOWN = 20;

/** What somebody on patrol sees becomes a report: photo, place, a few words. It goes by the outbox. */
export default function PatrolPage() {
  const { t } = useTexts();
  const { message } = App.useApp();
  const { me } = useSession();
  const online = useOnline();
  const [form] = Form.useForm<Fields>();
  const [shots, setShots] = useState<Blob[]>([]);
  const restore = useCallback(
    ({ fields, shots: found }: Draft) => {
      form.setFieldsValue(fields);
      setShots(found);
    },
    [form],
  );
  const keep = useDraft<Draft>(DRAFT, restore);

  const submit = async ({ place, content = '', ...rest }: Fields) => {
    try {
      await add({
        owner: me.id,
        lane: `patrol:${Date.now()}`,
        path: '/reports',
        versioned: false,
        body: { channel: 'patrol', content, ...rest, lon: place?.lon ?? null, lat: place?.lat ?? null },
        files: shots.map((blob) => ({ blob, path: '/photos', field: 'photo_ids' })),
        action: t('patrol.title'),
        title: content.slice(0, 40),
        draft: DRAFT,
      });
      form.resetFields();
      setShots([]);
      void message.success(t(online ? 'patrol.taken' : 'patrol.queued'));
    } catch {
      void message.error(t('outbox.full'));
    }
  };

  return (
    <Page title={t('patrol.title')} className="tasks">
      <OutboxList />
      <Form form={form} layout="vertical" size="large" onFinish={(fields) => void submit(fields)} onValuesChange={(_, fields) => keep({ fields, shots })}>
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
        <Form.Item name="content" label={t('patrol.content')} rules={[{ required: true, whitespace: true, message: t('patrol.content.missing') }]}>
          <Input.TextArea rows={3} maxLength={1000} data-testid="content-input" />
        </Form.Item>
        <Form.Item
          name="place"
          label={t('field.place')}
          dependencies={['division_code']}
          rules={[
            {
              validator: (_, value: PlaceValue | undefined) =>
                (value?.lon != null && value.lat != null) || form.getFieldValue('division_code') ? Promise.resolve() : Promise.reject(new Error(t('patrol.place.missing'))),
            },
          ]}
        >
          <PlaceField pickable={online} />
        </Form.Item>
        <div className="form-pair">
          <Form.Item name="category" label={t('field.category')} extra={t('report.category.hint')}>
            <CategorySelect testId="category-input" />
          </Form.Item>
          <Form.Item name="division_code" label={t('field.division')} extra={t('patrol.division.hint')}>
            <DivisionSelect testId="division-input" />
          </Form.Item>
        </div>
        <Form.Item name="address" label={t('field.address')}>
          <Input maxLength={200} data-testid="address-input" />
        </Form.Item>
        <Button type="primary" htmlType="submit" size="large" block className="patrol-send" data-testid="confirm">
          {t('patrol.submit')}
        </Button>
      </Form>
      <SentList owner={me.id} />
    </Page>
  );
}

/** What this person has reported from this phone lately. */
function SentList({ owner }: { owner: string }) {
  const { t } = useTexts();
  const [sent, setSent] = useState<Sent[]>([]);
  useEffect(() => {
    const renew = () => void readAll<Sent>('sent').then((all) => setSent(all.filter((each) => each.owner === owner).sort((a, b) => b.at.localeCompare(a.at)).slice(0, SHOWN)), () => undefined);
    renew();
    return listen(renew);
  }, [owner]);
  if (sent.length === 0) return null;
  return (
    <Panel title={t('patrol.sent')} className="patrol-sent">
      <ul data-testid="patrol-sent">
        {sent.map(({ key, title, at, answer }) => (
          <li key={key}>
            <span className="num muted">{showTime(at)}</span> {title} <span className="num">{String(answer.tracking_number)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
