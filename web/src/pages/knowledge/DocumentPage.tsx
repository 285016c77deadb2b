import { UploadOutlined } from '@ant-design/icons';
import { Alert, App, Button, Input, Pagination, Popconfirm, Space, Tag, Upload } from 'antd';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { KnowledgeDocumentDetail } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { Page, Panel } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { DocumentState, Validity } from './KnowledgePage';

/** One document: whether it is in force, its editions, and the passages that are searched. */
export default function DocumentPage() {
  const { id = '' } = useParams();
  const view = useView();
  const page = view.number('page', 1);
  const answer = useGet<KnowledgeDocumentDetail>(`/knowledge/documents/${encodeURIComponent(id)}`, { page, size: 50 }, { keep: true, refetchWhile: (found) => (found?.state === 'received' || found?.state === 'reading' ? 2000 : false) });
  return <Answered answer={answer}>{(document) => <Body document={document} page={page} />}</Answered>;
}

function Body({ document, page }: { document: KnowledgeDocumentDetail; page: number }) {
  const { t, word, errorText, lang } = useTexts();
  const { has } = useSession();
  const { message } = App.useApp();
  const renew = useRefresh();
  const view = useView();
  const [reason, setReason] = useState('');
  const act = async (path: string, body: unknown) => {
    try {
      await api.post(`/knowledge/documents/${document.id}/${path}`, body);
    } catch (error) {
      void message.error(errorText(error), 6);
    }
    renew(['/knowledge']);
  };
  const edition = async (file: File) => {
    const body = new FormData();
    body.set('file', file);
    await act('versions', body);
  };
  const facts: [string, string | null][] = [
    [t('document.number'), document.number],
    [t('document.issuer'), document.issuer],
    [t('document.valid'), [document.valid_from, document.ends ?? document.valid_to].map((day) => day ?? '—').join(' – ')],
    [t('document.access'), word('data', document.access)],
  ];
  return (
    <Page
      title={document.title}
      extra={
        <Space wrap>
          <Tag>{word('document.kind', document.kind, document.kind_name)}</Tag>
          <Validity document={document} />
          {document.synthetic && <Tag color="gold">{t('document.synthetic')}</Tag>}
          <DocumentState document={document} />
        </Space>
      }
    >
      <div className="stack">
        {document.superseded_by && (
          <Alert type="warning" showIcon title={<>{t('document.superseded')} <Link to={`/knowledge/documents/${document.superseded_by}`}>{t('document.open')}</Link></>} />
        )}
        <dl className="facts">
          {facts.filter(([, value]) => value).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <Panel title={t('document.editions')}>
          <ul className="plain">
            {document.editions.map((each) => (
              <li key={each.number}>
                <b className="num">{each.number}</b> {each.file_name} <span className="muted">{`${each.created_by_name} ${showTime(each.created_at)} · ${word('document.state', each.state)} · ${t('document.passages', { count: each.passages })}`}</span>
                {each.number === document.searched && <Tag color="green">{t('document.searched')}</Tag>}
                {each.flags.map((flag) => (
                  <Tag color="orange" key={flag}>
                    {word('document.flag', flag)}
                  </Tag>
                ))}
                {each.problem && <Alert type="error" showIcon title={lang === 'zh' ? each.problem.message : each.problem.message_en} />}
              </li>
            ))}
          </ul>
          {has('steward', 'developer') && document.state !== 'withdrawn' && (
            <Space wrap className="gap-top">
              <Upload showUploadList={false} beforeUpload={(file) => { void edition(file); return false; }}>
                <Button icon={<UploadOutlined />}>{t('document.new_edition')}</Button>
              </Upload>
              <Popconfirm title={<Input value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('action.reason')} aria-label={t('action.reason')} />} okButtonProps={{ disabled: !reason.trim() }} onConfirm={() => void act('withdraw', { reason })}>
                <Button danger type="text">
                  {t('document.withdraw')}
                </Button>
              </Popconfirm>
            </Space>
          )}
        </Panel>
        <Panel title={t('document.text')}>
          <ol className="passages">
            {document.passages.map((each) => (
              <li key={each.id} id={each.id}>
                <div className="step-head">
                  <span className="muted">{each.label}</span>
                  {each.suspect && <Tag color="orange">{t('knowledge.suspect')}</Tag>}
                </div>
                <p>{each.text}</p>
              </li>
            ))}
          </ol>
          {document.passages_total > 50 && <Pagination current={page} pageSize={50} total={document.passages_total} showSizeChanger={false} onChange={(next) => view.set({ page: next })} />}
        </Panel>
      </div>
    </Page>
  );
}
