import { App, Button, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { CategoryRule } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { PagedTable } from '../../ui/PagedTable';
import { CategorySelect } from '../../ui/selects';

const words = (text = '') => text.split(/[\s,，、]+/).filter(Boolean);

interface Fields {
  category: string;
  all?: string;
  any?: string;
  note?: string;
}

/** Words that decide a category before the classifier is asked. */
export function CategoryRulesTab() {
  const { t, errorText } = useTexts();
  const { has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [editing, setEditing] = useState<CategoryRule | 'new' | null>(null);
  const [form] = Form.useForm<Fields>();
  const old = editing === 'new' || editing === null ? null : editing;
  const act = async (work: Promise<unknown>) => {
    try {
      await work;
      setEditing(null);
      renew(['/category-rules']);
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  const save = (fields: Fields) =>
    act(api.put('/category-rules', { id: old?.id ?? null, category: fields.category, all_words: words(fields.all), any_words: words(fields.any), division_code: old?.division_code ?? null, note: fields.note ?? '' }));
  const writer = has('steward', 'dispatcher');
  return (
    <>
      {writer && (
        <div className="filters">
          <Button type="primary" onClick={() => setEditing('new')}>
            {t('rule.add')}
          </Button>
        </div>
      )}
      <PagedTable<CategoryRule>
        path="/category-rules"
        rowKey="id"
        columns={[
          { title: t('rule.all'), key: 'all', render: (_, row) => row.all_words.join('、') },
          { title: t('rule.any'), key: 'any', render: (_, row) => row.any_words.join('、') },
          { title: t('field.category'), key: 'category', render: (_, row) => row.category_name },
          { title: t('rule.note'), key: 'note', render: (_, row) => row.note },
          {
            title: '',
            key: 'edit',
            width: 150,
            render: (_, row) =>
              writer && (
                <>
                  <Button size="small" onClick={() => setEditing(row)}>
                    {t('limit.set')}
                  </Button>{' '}
                  <Button size="small" danger onClick={() => void act(api.remove(`/category-rules/${row.id}`))}>
                    {t('limit.drop')}
                  </Button>
                </>
              ),
          },
        ]}
      />
      <Modal open={editing !== null} title={t('rule.add')} onCancel={() => setEditing(null)} onOk={() => form.submit()} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} initialValues={old ? { category: old.category, all: old.all_words.join('、'), any: old.any_words.join('、'), note: old.note } : {}} onFinish={(fields) => void save(fields)}>
          <Form.Item name="all" label={t('rule.all')} extra={t('rule.words.hint')}>
            <Input />
          </Form.Item>
          <Form.Item name="any" label={t('rule.any')}>
            <Input />
          </Form.Item>
          <Form.Item name="category" label={t('field.category')} rules={[{ required: true, message: t('form.missing', { field: t('field.category') }) }]}>
            <CategorySelect testId="rule-category" />
          </Form.Item>
          <Form.Item name="note" label={t('rule.note')}>
            <Input maxLength={500} />
          </Form.Item>
        </Form>
      </Modal>
    </>
  );
}
