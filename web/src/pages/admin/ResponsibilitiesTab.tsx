import { DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Modal, Popconfirm, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { api, withQuery } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { Responsibility } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { CategorySelect, DivisionSelect, UnitSelect, useCategoryName } from '../../ui/selects';

type Fields = Pick<Responsibility, 'division_code' | 'category' | 'unit_id' | 'deputy_unit_id' | 'hours' | 'months'>;

/** Who answers for what and where: what new incidents are dispatched by. */
export function ResponsibilitiesTab() {
  const { t, errorText } = useTexts();
  const { has } = useSession();
  const { message } = App.useApp();
  const view = useView();
  const renew = useRefresh();
  const categoryName = useCategoryName();
  const [editing, setEditing] = useState<Responsibility | 'new' | null>(null);
  const [form] = Form.useForm<Fields>();
  const old = editing === 'new' ? null : editing;
  const category = view.get('category');
  const columns: TableColumnsType<Responsibility> = [
    { title: t('field.division'), key: 'division', render: (_, row) => row.division_name },
    { title: t('field.category'), key: 'category', render: (_, row) => categoryName(row.category, row.category_name) },
    { title: t('responsibility.bounds'), key: 'bounds', render: (_, row) => [row.hours, row.months && t('responsibility.in_months', { months: row.months })].filter(Boolean).join(' · ') || t('responsibility.always') },
    { title: t('field.unit'), key: 'unit', render: (_, row) => row.unit_name ?? row.unit_id },
    { title: t('responsibility.deputy'), key: 'deputy', render: (_, row) => row.deputy_unit_name ?? '—' },
    {
      title: '',
      key: 'edit',
      width: 100,
      render: (_, row) =>
        has('dispatcher', 'steward') && (
          <>
            <Button type="text" icon={<EditOutlined />} aria-label={t('responsibility.edit')} onClick={() => setEditing(row)} />
            <Popconfirm title={t('responsibility.drop.sure')} onConfirm={() => drop(row)}>
              <Button type="text" danger icon={<DeleteOutlined />} aria-label={t('responsibility.drop')} />
            </Popconfirm>
          </>
        ),
    },
  ];
  const drop = async ({ division_code, category: of, hours, months }: Responsibility) => {
    try {
      await api.remove(withQuery('/responsibilities', { division_code, category: of, hours, months }));
      renew(['/responsibilities']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const save = async (fields: Fields) => {
    try {
      await api.put('/responsibilities', { ...fields, hours: fields.hours ?? '', months: fields.months ?? '', ...(old ? { division_code: old.division_code, category: old.category, hours: old.hours, months: old.months } : {}) });
      void message.success(t('saved'));
      setEditing(null);
      renew(['/responsibilities']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const needed = (text: string) => [{ required: true, message: t('form.missing', { field: text }) }];
  return (
    <>
      <div className="filters">
        <CategorySelect value={category || (undefined as never)} onChange={(chosen) => view.set({ category: chosen, page: null })} />
        {has('dispatcher', 'steward') && (
          <Button icon={<PlusOutlined />} onClick={() => setEditing('new')}>
            {t('responsibility.add')}
          </Button>
        )}
      </div>
      <PagedTable<Responsibility> path="/responsibilities" query={{ category }} rowKey={(row) => `${row.division_code} ${row.category} ${row.hours} ${row.months}`} columns={columns} />
      <Modal
        open={editing !== null}
        title={old ? `${old.division_name} · ${categoryName(old.category, old.category_name)}` : t('responsibility.add')}
        okText={t('save')}
        okButtonProps={{ 'data-testid': 'confirm' }}
        onCancel={() => setEditing(null)}
        onOk={() => form.submit()}
        destroyOnHidden
      >
        <Form form={form} layout="vertical" preserve={false} onFinish={(fields) => void save(fields)}>
          {!old && (
            <>
              <Form.Item name="division_code" label={t('field.division')} rules={needed(t('field.division'))}>
                <DivisionSelect testId="division-input" />
              </Form.Item>
              <Form.Item name="category" label={t('field.category')} rules={needed(t('field.category'))}>
                <CategorySelect testId="category-input" any />
              </Form.Item>
              <div className="form-pair">
                <Form.Item name="hours" label={t('responsibility.hours')}>
                  <Input placeholder="08:00-18:00" maxLength={20} />
                </Form.Item>
                <Form.Item name="months" label={t('responsibility.months')}>
                  <Input placeholder="6-9" maxLength={20} />
                </Form.Item>
              </div>
            </>
          )}
          <Form.Item name="unit_id" label={t('field.unit')} rules={needed(t('field.unit'))}>
            <UnitSelect />
          </Form.Item>
          <Form.Item name="deputy_unit_id" label={t('responsibility.deputy')}>
            <UnitSelect allowClear placeholder={t('responsibility.deputy')} testId="deputy-select" />
          </Form.Item>
        </Form>
      </Modal>
    </>
  );
}
