import { PlusOutlined } from '@ant-design/icons';
import { Alert, Button, DatePicker, Drawer, Form, Input, Modal, Popconfirm, Progress, Select, Skeleton, Space, Tag } from 'antd';
import type { Dayjs } from 'dayjs';
import { lazy, Suspense, useMemo, useState } from 'react';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { Recipes, TrainingDetail, TrainingJob } from '../../api/types';
import { useSession } from '../../app/session';
import { useShade } from '../../app/theme';
import { useTexts } from '../../i18n';
import { asCityInstant, showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { chartInk, type ChartOption } from '../../ui/chart-option';
import { PagedTable } from '../../ui/PagedTable';
import { Answered } from '../../ui/states';
import { useDo } from '../../ui/useDo';

const Chart = lazy(() => import('../../ui/Chart'));

/** Training jobs with progress, curves and log; what comes out better is proposed, never put in use by itself. */
export function Training() {
  const { t, word, lang } = useTexts();
  const { has } = useSession();
  const view = useView();
  const [making, setMaking] = useState(false);
  const job = view.get('job');
  return (
    <>
      {has('operator', 'developer') && (
        <div className="filters">
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setMaking(true)} data-testid="new-training">
            {t('training.new')}
          </Button>
        </div>
      )}
      <PagedTable<TrainingJob>
        path="/models/training"
        rowKey="id"
        columns={[
          { title: t('training.name'), key: 'name', render: (_, row) => <div className="cell-two"><a onClick={() => view.set({ job: row.id })}>{row.name}</a><small>{row.kind_name}</small></div> },
          { title: t('training.rows'), key: 'rows', width: 90, render: (_, row) => <span className="num">{row.rows}</span> },
          { title: t('training.progress'), key: 'progress', width: 220, render: (_, row) => <Progress size="small" percent={Math.round(row.progress.percent)} status={row.state === 'failed' ? 'exception' : row.state === 'done' ? 'success' : 'active'} /> },
          { title: t('field.state'), key: 'state', width: 110, render: (_, row) => word('training.state', row.state, row.state_name) },
          { title: t('evals.score'), key: 'score', width: 160, render: (_, row) => (row.metric && row.evaluation ? `${row.metric} ${row.evaluation[row.metric]?.toFixed(3) ?? '—'}` : '—') },
          { title: '', key: 'candidate', width: 110, render: (_, row) => (row.promoted_at ? <Tag color="green">{t('training.in_use')}</Tag> : row.candidate && <Tag color="gold">{t('training.candidate')}</Tag>) },
          { title: t('run.asked'), key: 'asked', width: 180, render: (_, row) => `${row.created_by_name} ${showTime(row.created_at)}` },
        ]}
      />
      <Drawer open={job !== ''} size={720} title={t('training.job')} onClose={() => view.set({ job: null })}>
        {job && <Job key={`${job} ${lang}`} id={job} />}
      </Drawer>
      {making && <NewJob onClose={() => setMaking(false)} />}
    </>
  );
}

function Job({ id }: { id: string }) {
  const { t, lang } = useTexts();
  const run = useDo('/models');
  const answer = useGet<TrainingDetail>(`/models/training/${id}`, {}, { refetchWhile: (job) => (job?.state === 'queued' || job?.state === 'running' ? 2000 : false) });
  return (
    <Answered answer={answer}>
      {(job) => (
        <div className="stack">
          <Progress percent={Math.round(job.progress.percent)} />
          <p className="muted">
            {job.progress.step_name} {job.progress.seconds_left !== null && t('training.left', { seconds: Math.round(job.progress.seconds_left) })}
          </p>
          {job.problem && <Alert type="error" showIcon title={lang === 'zh' ? job.problem.message : job.problem.message_en} />}
          <Space wrap>
            {job.actions.map((action) => (
              <Popconfirm key={action} title={t('training.sure')} onConfirm={() => void run(() => api.post(`/models/training/${job.id}/${action}`, {}))}>
                <Button danger={action === 'cancel'} type={action === 'promote' ? 'primary' : 'default'}>
                  {t(`training.action.${action as 'cancel' | 'resume' | 'promote' | 'rollback'}`)}
                </Button>
              </Popconfirm>
            ))}
          </Space>
          {Object.entries(job.curves as Record<string, { steps: number[]; values: number[] }>).map(([name, curve]) => (
            <CurveChart key={name} name={name} curve={curve} />
          ))}
          <p className="muted">{t('training.data', { rows: job.data.rows, refused: job.data.refused, masked: job.data.masked, sha: job.data.sha256.slice(0, 12) })}</p>
          {job.data.refusals.map((each) => (
            <p key={each.row} className="muted">
              {t('agent.line', { line: each.row })}：{lang === 'zh' ? each.reason : each.reason_en}
            </p>
          ))}
          <pre className="diff">{job.log}</pre>
        </div>
      )}
    </Answered>
  );
}

function CurveChart({ name, curve }: { name: string; curve: { steps: number[]; values: number[] } }) {
  const { shade } = useShade();
  const option = useMemo<ChartOption>(() => {
    const ink = chartInk[shade];
    return {
      animation: false,
      grid: { left: 4, right: 12, top: 8, bottom: 4, containLabel: true },
      xAxis: { type: 'value', axisLabel: { color: ink.faint }, splitLine: { show: false } },
      yAxis: { type: 'value', scale: true, axisLabel: { color: ink.faint }, splitLine: { lineStyle: { color: ink.line } } },
      series: [{ type: 'line', showSymbol: curve.steps.length < 30, data: curve.steps.map((step, index) => [step, curve.values[index] ?? null]) }],
    };
  }, [name, curve, shade]);
  return (
    <Suspense fallback={<Skeleton active />}>
      <h3>{name}</h3>
      <Chart option={option} height={180} label={name} />
    </Suspense>
  );
}

interface JobFields {
  kind: string;
  name: string;
  source?: string;
  span?: [Dayjs, Dayjs];
  config: string;
}

function NewJob({ onClose }: { onClose: () => void }) {
  const { t, lang } = useTexts();
  const run = useDo('/models');
  const view = useView();
  const recipes = useGet<Recipes>('/models/training/recipes');
  const [form] = Form.useForm<JobFields>();
  const [file, setFile] = useState<{ name: string; content: string }>();
  const kind = Form.useWatch('kind', form);
  const recipe = recipes.data?.recipes.find((each) => each.kind === kind);
  const make = async ({ source, span, config, ...fields }: JobFields) => {
    const data = file ? { source: 'upload', ...file } : { source, since: span && asCityInstant(span[0]), until: span && asCityInstant(span[1]) };
    const made = await run(() => api.post<TrainingJob>('/models/training', { ...fields, config: JSON.parse(config || '{}') as unknown, data }));
    if (!made) return;
    onClose();
    view.set({ job: made.id });
  };
  return (
    <Modal open title={t('training.new')} onCancel={onClose} onOk={() => form.submit()} okButtonProps={{ disabled: (recipe?.missing.length ?? 0) > 0 }}>
      <Form form={form} layout="vertical" initialValues={{ config: '{}' }} onFinish={(fields) => void make(fields)}>
        <Form.Item name="kind" label={t('training.recipe')} rules={[{ required: true, message: t('form.missing', { field: t('training.recipe') }) }]}>
          <Select options={(recipes.data?.recipes ?? []).map((each) => ({ value: each.kind, label: lang === 'zh' ? each.name : each.name_en }))} />
        </Form.Item>
        {recipe && recipe.missing.length > 0 && <Alert type="warning" showIcon title={t('training.missing', { packages: recipe.missing.join('、') })} />}
        <Form.Item name="name" label={t('training.name')} rules={[{ required: true, whitespace: true, message: t('form.missing', { field: t('training.name') }) }]}>
          <Input maxLength={100} />
        </Form.Item>
        <Form.Item name="source" label={t('training.source')}>
          <Select allowClear options={(recipes.data?.sources ?? []).map((each) => ({ value: each.name, label: lang === 'zh' ? each.title : each.title_en }))} />
        </Form.Item>
        <Form.Item name="span" label={t('training.span')}>
          <DatePicker.RangePicker />
        </Form.Item>
        <Form.Item label={t('training.file')}>
          <input
            type="file"
            accept=".jsonl,.csv"
            aria-label={t('training.file')}
            onChange={(event) => {
              const chosen = event.target.files?.[0];
              if (chosen) void base64(chosen).then((content) => setFile({ name: chosen.name, content }));
            }}
          />
        </Form.Item>
        <Form.Item name="config" label={t('training.config')} extra={recipe && Object.keys((recipe.config.properties as Record<string, unknown> | undefined) ?? {}).join('、')}>
          <Input.TextArea autoSize={{ minRows: 2, maxRows: 10 }} spellCheck={false} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

/** A file's bytes as the interface takes them. */
function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(',')[1] ?? '');
    reader.onerror = () => reject(new Error(file.name));
    reader.readAsDataURL(file);
  });
}
