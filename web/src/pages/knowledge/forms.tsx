import { PlusOutlined, UploadOutlined } from '@ant-design/icons';
import { App, Button, DatePicker, Form, Input, Modal, Select, Upload } from 'antd';
import type { Dayjs } from 'dayjs';
import { useState } from 'react';
import { api } from '../../api/client';
import { useRefresh } from '../../api/hooks';
import type { KnowledgeBase } from '../../api/types';
import { useTexts } from '../../i18n';

const kinds = ['law', 'policy', 'plan', 'procedure', 'notice', 'standard', 'case', 'other'] as const;
const classes = ['public', 'internal', 'sensitive'] as const;

interface About {
  base: string;
  title?: string;
  kind: string;
  issuer?: string;
  number?: string;
  valid?: [Dayjs | null, Dayjs | null] | null;
}

/** Hands in one file or many; each is read by itself, and a bad one is named on its own. */
export function UploadDialog({ bases, base, onClose }: { bases: KnowledgeBase[]; base: string; onClose: () => void }) {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [form] = Form.useForm<About>();
  const [files, setFiles] = useState<File[]>([]);
  const [done, setDone] = useState(0);
  const [busy, setBusy] = useState(false);
  const send = async (about: About) => {
    setBusy(true);
    let refused = 0;
    for (const [index, file] of files.entries()) {
      const body = new FormData();
      body.set('file', file);
      const [from, to] = about.valid ?? [];
      const fields = { title: files.length === 1 ? about.title : '', kind: about.kind, issuer: about.issuer, number: files.length === 1 ? about.number : '', valid_from: from?.format('YYYY-MM-DD'), valid_to: to?.format('YYYY-MM-DD') };
      for (const [name, value] of Object.entries(fields)) if (value) body.set(name, value);
      try {
        await api.post(`/knowledge/bases/${about.base}/documents`, body);
      } catch (error) {
        refused += 1;
        void message.error(`${file.name}：${errorText(error)}`, 8);
      }
      setDone(index + 1);
    }
    renew(['/knowledge']);
    setBusy(false);
    if (refused === 0) onClose();
  };
  return (
    <Modal open title={t('knowledge.add')} onCancel={onClose} okText={busy ? `${done}/${files.length}` : t('knowledge.send')} okButtonProps={{ disabled: files.length === 0, loading: busy, 'data-testid': 'confirm' }} onOk={() => form.submit()}>
      <Form form={form} layout="vertical" initialValues={{ base: base || bases[0]?.id, kind: 'policy' }} onFinish={(about) => void send(about)}>
        <Form.Item name="base" label={t('knowledge.base')} rules={[{ required: true, message: t('form.missing', { field: t('knowledge.base') }) }]}>
          <Select options={bases.map((each) => ({ value: each.id, label: each.name }))} />
        </Form.Item>
        <Form.Item label={t('knowledge.files')} extra={t('knowledge.files.hint')}>
          <Upload multiple fileList={files.map((file, index) => ({ uid: String(index), name: file.name }))} beforeUpload={(_, list) => { setFiles([...list]); return false; }} onRemove={(file) => setFiles(files.filter((_, index) => String(index) !== file.uid))} accept=".pdf,.docx,.html,.htm,.md,.txt,.png,.jpg,.jpeg">
            <Button icon={<UploadOutlined />}>{t('knowledge.choose')}</Button>
          </Upload>
        </Form.Item>
        {files.length <= 1 && (
          <>
            <Form.Item name="title" label={t('document.title')}>
              <Input maxLength={300} placeholder={files[0]?.name ?? ''} />
            </Form.Item>
            <Form.Item name="number" label={t('document.number')}>
              <Input maxLength={100} />
            </Form.Item>
          </>
        )}
        <div className="form-pair">
          <Form.Item name="kind" label={t('document.kind')}>
            <Select options={kinds.map((value) => ({ value, label: word('document.kind', value) }))} />
          </Form.Item>
          <Form.Item name="issuer" label={t('document.issuer')}>
            <Input maxLength={200} />
          </Form.Item>
        </div>
        <Form.Item name="valid" label={t('document.valid')}>
          <DatePicker.RangePicker allowEmpty={[true, true]} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

export function NewBase() {
  const { t, word, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [open, setOpen] = useState(false);
  const [form] = Form.useForm<{ name: string; description?: string; access: string }>();
  const make = async (fields: { name: string; description?: string; access: string }) => {
    try {
      await api.post('/knowledge/bases', fields);
      renew(['/knowledge']);
      setOpen(false);
    } catch (error) {
      void message.error(errorText(error), 6);
    }
  };
  return (
    <>
      <Button type="primary" icon={<PlusOutlined />} onClick={() => setOpen(true)} data-testid="new-base">
        {t('knowledge.base.new')}
      </Button>
      <Modal open={open} title={t('knowledge.base.new')} onCancel={() => setOpen(false)} onOk={() => form.submit()} okButtonProps={{ 'data-testid': 'confirm' }} destroyOnHidden>
        <Form form={form} layout="vertical" preserve={false} initialValues={{ access: 'internal' }} onFinish={(fields) => void make(fields)}>
          <Form.Item name="name" label={t('knowledge.base')} rules={[{ required: true, whitespace: true, message: t('form.missing', { field: t('knowledge.base') }) }]}>
            <Input maxLength={100} data-testid="base-name" />
          </Form.Item>
          <Form.Item name="description" label={t('property.description')}>
            <Input maxLength={300} />
          </Form.Item>
          <Form.Item name="access" label={t('document.access')}>
            <Select options={classes.map((value) => ({ value, label: word('data', value) }))} />
          </Form.Item>
        </Form>
      </Modal>
    </>
  );
}
