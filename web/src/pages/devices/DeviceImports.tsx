import { App, Button, Checkbox, Progress, Select, Tag, Upload } from 'antd';
import { useState } from 'react';
import { api } from '../../api/client';
import { useGet, useRefresh } from '../../api/hooks';
import type { CellError, DeviceImport } from '../../api/types';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { PagedTable } from '../../ui/PagedTable';
import { Answered } from '../../ui/states';

const running = (each: DeviceImport) => each.state === 'waiting' || each.state === 'taking';

/** Files of devices: hand one in, follow it, see each wrong cell. */
export function DeviceImports() {
  const { t } = useTexts();
  const view = useView();
  const chosen = view.get('import');
  if (chosen) return <OneImport id={chosen} />;
  const number = (title: string, key: 'rows' | 'added' | 'changed' | 'unchanged' | 'rejected') => ({
    title,
    key,
    width: 80,
    align: 'right' as const,
    render: (_: unknown, row: DeviceImport) => <span className={key === 'rejected' && row.rejected ? 'num tone-over' : 'num'}>{row[key] ?? '—'}</span>,
  });
  return (
    <>
      <Bring />
      <PagedTable<DeviceImport>
        path="/device-imports"
        rowKey="id"
        refetchInterval={3000}
        columns={[
          {
            title: t('dimport.file'),
            key: 'file',
            render: (_, row) => (
              <button type="button" className="as-link" onClick={() => view.set({ import: row.id, page: null }, true)}>
                {row.file_name} {row.dry_run && <Tag>{t('dimport.dry.tag')}</Tag>}
              </button>
            ),
          },
          { title: t('field.state'), key: 'state', width: 90, render: (_, row) => t(`dimport.state.${row.state}`) },
          number(t('dimport.rows'), 'rows'),
          number(t('dimport.added'), 'added'),
          number(t('dimport.changed'), 'changed'),
          number(t('dimport.unchanged'), 'unchanged'),
          number(t('dimport.rejected'), 'rejected'),
          { title: t('dimport.by'), key: 'by', width: 190, render: (_, row) => `${row.created_by_name} ${showTime(row.created_at)}` },
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
  const [crs, setCrs] = useState('wgs84');
  const [dry, setDry] = useState(false);
  const send = async (file: File) => {
    const body = new FormData();
    body.set('file', file);
    body.set('crs', crs);
    body.set('dry_run', String(dry));
    try {
      const job = await api.post<DeviceImport>('/devices/import', body);
      view.set({ import: job.id, page: null }, true);
    } catch (error) {
      void message.error(errorText(error), 8);
    }
    renew(['/device-imports']);
  };
  return (
    <>
      <p className="muted">{t('dimport.hint')}</p>
      <div className="filters">
        <Upload accept=".xlsx,.xls,.csv,.txt" showUploadList={false} beforeUpload={(file) => (void send(file), false)}>
          <Button type="primary">{t('dimport.choose')}</Button>
        </Upload>
        <Select
          value={crs}
          onChange={setCrs}
          aria-label={t('dimport.crs')}
          popupMatchSelectWidth={false}
          options={['wgs84', 'gcj02', 'bd09'].map((value) => ({ value, label: value.toUpperCase() }))}
        />
        <Checkbox checked={dry} onChange={(event) => setDry(event.target.checked)}>
          {t('dimport.dry')}
        </Checkbox>
        <a href="/api/device-import-template" download>
          {t('dimport.template')} .xlsx
        </a>
        <a href="/api/device-import-template?form=csv" download>
          .csv
        </a>
      </div>
    </>
  );
}

function OneImport({ id }: { id: string }) {
  const { t, lang } = useTexts();
  const view = useView();
  const answer = useGet<DeviceImport>(`/device-imports/${id}`, {}, { refetchWhile: (job) => (job === undefined || running(job) ? 1000 : false) });
  return (
    <Answered answer={answer} rows={4}>
      {(job) => (
        <div data-testid="device-import">
          <div className="filters">
            <Button onClick={() => view.set({ import: null, page: null })}>{t('dimport.back')}</Button>
            <b>{job.file_name}</b> {job.dry_run && <Tag>{t('dimport.dry.tag')}</Tag>} <Tag data-testid="device-import-state">{t(`dimport.state.${job.state}`)}</Tag>
          </div>
          {running(job) && <Progress percent={job.rows ? Math.floor((job.done / job.rows) * 100) : 0} />}
          {job.error && <p className="tone-over">{String(job.error[lang === 'zh' ? 'message' : 'message_en'])}</p>}
          <p className="num" data-testid="device-import-counts">
            {(['added', 'changed', 'unchanged', 'rejected'] as const).map((key) => `${t(`dimport.${key}`)} ${String(job[key])}`).join(' · ')}
          </p>
          {job.unknown.length > 0 && <p className="muted">{t('dimport.unknown', { columns: job.unknown.join('、') })}</p>}
          {job.errors > 0 && (
            <PagedTable<CellError>
              path={`/device-imports/${id}/errors`}
              rowKey={(row) => `${row.sheet}-${String(row.row)}-${row.column}-${row.code}`}
              columns={[
                { title: t('dimport.cell'), key: 'cell', width: 130, render: (_, row) => <code>{[row.sheet, row.cell || String(row.row)].filter(Boolean).join('!')}</code> },
                { title: t('dimport.value'), key: 'value', width: 180, ellipsis: true, render: (_, row) => row.value || '—' },
                { title: t('dimport.wrong'), key: 'wrong', render: (_, row) => (lang === 'zh' ? row.message : row.message_en) },
              ]}
            />
          )}
        </div>
      )}
    </Answered>
  );
}
