import { Button, Form, Input, Select } from 'antd';
import { api } from '../../api/client';
import type { UpkeepEntry } from '../../api/types';
import { useTexts } from '../../i18n';
import { showFullTime } from '../../lib/time';
import { PagedTable } from '../../ui/PagedTable';
import { useDo } from '../../ui/useDo';

const kinds = ['inspected', 'calibrated', 'cleaned', 'repaired', 'replaced', 'installed', 'removed'] as const;

interface Fields {
  kind: (typeof kinds)[number];
  person?: string;
  note?: string;
  next_due?: string;
}

/** Who did what to the device when, and when it is due again. */
export function Upkeep({ path, writes }: { path: string; writes: boolean }) {
  const { t } = useTexts();
  const run = useDo('/devices');
  const [form] = Form.useForm<Fields>();
  const save = async ({ kind, person, note, next_due }: Fields) => {
    const body = { kind, person: person ?? '', note: note ?? '', next_due: next_due || null };
    if ((await run(() => api.post(`${path}/upkeep`, body))) !== undefined) form.resetFields();
  };
  return (
    <>
      {writes && (
        <Form<Fields> form={form} layout="inline" initialValues={{ kind: 'inspected' }} onFinish={(values) => void save(values)}>
          <Form.Item name="kind">
            <Select aria-label={t('upkeep.kind')} popupMatchSelectWidth={false} options={kinds.map((kind) => ({ value: kind, label: t(`upkeep.${kind}`) }))} />
          </Form.Item>
          <Form.Item name="person">
            <Input placeholder={t('upkeep.person')} maxLength={100} />
          </Form.Item>
          <Form.Item name="note">
            <Input placeholder={t('upkeep.note')} maxLength={2000} data-testid="upkeep-note" />
          </Form.Item>
          <Form.Item name="next_due" label={t('upkeep.due')}>
            <Input type="date" />
          </Form.Item>
          <Button htmlType="submit" type="primary" data-testid="upkeep-add">
            {t('upkeep.add')}
          </Button>
        </Form>
      )}
      <PagedTable<UpkeepEntry>
        path={`${path}/upkeep`}
        rowKey="id"
        columns={[
          { title: t('upkeep.at'), key: 'at', width: 170, render: (_, row) => <span className="num">{showFullTime(row.at)}</span> },
          { title: t('upkeep.kind'), key: 'kind', width: 100, render: (_, row) => t(`upkeep.${row.kind}`) },
          { title: t('upkeep.person'), key: 'person', width: 140, render: (_, row) => row.person },
          { title: t('upkeep.note'), key: 'note', ellipsis: true, render: (_, row) => row.note || '—' },
          { title: t('upkeep.due'), key: 'due', width: 130, render: (_, row) => <span className="num">{row.next_due ?? '—'}</span> },
        ]}
      />
    </>
  );
}
