import { App, Button, Form, Input, Modal, Progress, Segmented, Select, Table, Upload } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { Import, ImportedRow } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { DivisionSelect } from '../../ui/selects';

const touched = ['/imports', '/reports', '/incidents'];
const running = (each: Import) => ['waiting', 'reading', 'taking'].includes(each.state);

/** Files of reports: what came of each, and of each of their rows. */
export function Imports() {
  const { t, word } = useTexts();
  const view = useView();
  const chosen = view.get('import');
  if (chosen) return <OneImport id={chosen} />;
  return (
    <>
      <Bring />
      <PagedTable<Import>
        path="/imports"
        rowKey="id"
        columns={[
          {
            title: t('import.file'),
            key: 'file',
            render: (_, row) => (
              <button type="button" className="as-link" onClick={() => view.set({ import: row.id, page: null }, true)}>
                {row.file_name}
              </button>
            ),
          },
          { title: t('field.state'), key: 'state', width: 100, render: (_, row) => word('import.state', row.state) },
          { title: t('import.total'), key: 'total', width: 80, align: 'right', render: (_, row) => <span className="num">{row.total}</span> },
          { title: t('import.accepted'), key: 'accepted', width: 80, align: 'right', render: (_, row) => <span className="num">{row.accepted}</span> },
          { title: t('import.rejected'), key: 'rejected', width: 80, align: 'right', render: (_, row) => <span className={row.rejected ? 'num tone-over' : 'num'}>{row.rejected}</span> },
          { title: t('import.odd'), key: 'odd', width: 80, align: 'right', render: (_, row) => <span className="num">{row.odd}</span> },
          { title: t('import.by'), key: 'by', width: 200, render: (_, row) => `${row.created_by_name} ${showTime(row.created_at)}` },
        ]}
      />
    </>
  );
}

function Bring() {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const view = useView();
  const renew = useRefresh();
  const [division, setDivision] = useState<string>();
  const [crs, setCrs] = useState('wgs84');
  const send = async (file: File) => {
    const body = new FormData();
    body.set('file', file);
    body.set('crs', crs);
    if (division) body.set('division_code', division);
    try {
      const made = await api.post<Import>('/reports/import', body, crypto.randomUUID());
      renew(touched);
      view.set({ import: made.id, page: null }, true);
    } catch (error) {
      void message.error(errorText(error), 8);
    }
  };
  return (
    <div className="filters">
      <DivisionSelect {...(division ? { value: division } : {})} onChange={setDivision} placeholder={t('import.division')} testId="import-division" />
      <Select value={crs} onChange={setCrs} aria-label={t('import.crs')} options={['wgs84', 'gcj02', 'bd09'].map((value) => ({ value, label: value.toUpperCase() }))} />
      <Upload accept=".csv,.xlsx,.xls,.jsonl,.txt" showUploadList={false} beforeUpload={(file) => (void send(file), false)}>
        <Button type="primary" data-testid="import-file">
          {t('import.choose')}
        </Button>
      </Upload>
      <span className="muted">{t('import.hint')}</span>
    </div>
  );
}

const states = ['rejected', 'accepted', 'ready', 'known', 'discarded'] as const;

function OneImport({ id }: { id: string }) {
  const { t, word, lang } = useTexts();
  const view = useView();
  const [editing, setEditing] = useState<ImportedRow | null>(null);
  const answer = useGet<Import>(`/imports/${id}`, {}, { refetchInterval: 1500 });
  const found = answer.data;
  const state = states.find((each) => each === view.get('state')) ?? 'rejected';
  if (!found) return null;
  const done = found.accepted + found.rejected + found.known + found.discarded;
  return (
    <>
      <div className="filters">
        <Button onClick={() => view.set({ import: null, state: null, page: null })}>{t('back')}</Button>
        <b>{found.file_name}</b> {word('import.state', found.state)}
        {running(found) && <Progress className="import-progress" percent={found.total ? Math.round((done / found.total) * 100) : 0} />}
        <Segmented value={state} onChange={(value) => view.set({ state: value, page: null })} options={states.map((each) => ({ value: each, label: `${t(`import.${each}`)} ${found[each]}` }))} />
      </div>
      {found.sheets.some(({ unknown }) => unknown.length > 0) && <p className="muted">{t('import.unknown', { columns: found.sheets.flatMap(({ unknown }) => unknown).join('、') })}</p>}
      <PagedTable<ImportedRow>
        path={`/imports/${id}/rows`}
        query={{ state }}
        rowKey="number"
        columns={[
          { title: t('import.row'), key: 'row', width: 120, render: (_, row) => `${row.sheet} ${row.row}` },
          {
            title: t('import.what'),
            key: 'what',
            render: (_, row) => (
              <>
                {row.errors.map((error) => (
                  <p key={`${error.column}${error.code}`}>
                    <b>{error.column}</b> {lang === 'zh' ? error.message : error.message_en}
                  </p>
                ))}
                {row.odd.map((each) => (
                  <span key={each.code} className="pill">
                    {lang === 'zh' ? each.name : each.name_en}
                  </span>
                ))}
                {row.incident_id && <Link to={`/incidents/${row.incident_id}`}>{t('merge.other')}</Link>} {row.reason}
              </>
            ),
          },
          { title: '', key: 'edit', width: 100, render: (_, row) => row.state === 'rejected' && <Button size="small" onClick={() => setEditing(row)}>{t('import.correct')}</Button> },
        ]}
      />
      {editing && <RowDialog id={id} row={editing} onClose={() => setEditing(null)} />}
    </>
  );
}

/** Puts one row right and takes it in, or discards it with a reason. */
function RowDialog({ id, row, onClose }: { id: string; row: ImportedRow; onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  const [cells, setCells] = useState<Record<string, string>>(Object.fromEntries(Object.entries(row.cells).map(([key, value]) => [key, String(value ?? '')])));
  const [reason, setReason] = useState('');
  const act = async (work: Promise<unknown>) => {
    try {
      await work;
      renew(touched);
      onClose();
    } catch (error) {
      void message.error(errorText(error));
    }
  };
  return (
    <Modal
      open
      width={720}
      title={`${t('import.row')} ${row.row}`}
      onCancel={onClose}
      footer={
        <div className="drawer-foot">
          <Input value={reason} onChange={(event) => setReason(event.target.value)} placeholder={t('import.discard.reason')} maxLength={200} />
          <Button danger disabled={!reason.trim()} onClick={() => void act(api.post(`/imports/${id}/rows/${row.number}/discard`, { reason }))}>
            {t('import.discard')}
          </Button>
          <Button type="primary" onClick={() => void act(api.put(`/imports/${id}/rows/${row.number}`, { cells }))}>
            {t('import.retry')}
          </Button>
        </div>
      }
    >
      <Form layout="vertical">
        <Table
          size="small"
          pagination={false}
          rowKey="key"
          dataSource={Object.entries(cells).map(([key, value]) => ({ key, value }))}
          columns={[
            { title: t('import.column'), dataIndex: 'key', width: 160 },
            { title: t('import.value'), key: 'value', render: (_, { key, value }) => <Input value={value} onChange={(event) => setCells({ ...cells, [key]: event.target.value })} aria-label={key} /> },
          ]}
        />
      </Form>
    </Modal>
  );
}
