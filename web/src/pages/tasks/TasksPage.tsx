import { App, Pagination, Segmented } from 'antd';
import { useState } from 'react';
import { useGet } from '../../api/hooks';
import type { Paged, ReturnReason, Task } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { add } from '../../offline/outbox';
import { OutboxList } from '../../offline/OutboxList';
import { useOutbox } from '../../offline/useOutbox';
import { Page } from '../../ui/Page';
import { Answered } from '../../ui/states';
import type { Step } from './projected';
import { StepDrawer } from './StepDrawer';
import { TaskCard } from './TaskCard';

/** What a handler carries in the pocket: the tasks of the own unit, one card each. Every step goes by the outbox. */
export default function TasksPage() {
  const { t } = useTexts();
  const { message } = App.useApp();
  const { me } = useSession();
  const view = useView();
  const state = view.get('state') === 'done' ? 'done' : 'open';
  const page = view.number('page', 1);
  const answer = useGet<Paged<Task>>('/tasks/mine', { state, page, size: 20 }, { keep: true });
  // Read ahead, for when there is no network.
  useGet<ReturnReason[]>('/return-reasons', {}, { staleTime: Infinity });
  const outbox = useOutbox(me.id);
  const [doing, setDoing] = useState<{ task: Task; step: Step } | null>(null);

  // A step before may have been answered while the form for the next one was open.
  const now = (task: Task) => answer.data?.items.find(({ id }) => id === task.id) ?? task;

  const queue = async (task: Task, step: Step, body: Record<string, unknown>, shots: Blob[], draft?: string) => {
    const asking = step === 'extension' || step === 'suspension';
    const lead = task.role === 'lead';
    const alone = !outbox.some(({ lane }) => lane === task.incident_id);
    try {
      await add({
        owner: me.id,
        lane: task.incident_id,
        path: asking ? `/incidents/${task.incident_id}/requests` : lead ? `/incidents/${task.incident_id}/actions/${step}` : `/tasks/${task.id}/actions/${step}`,
        versioned: lead && !asking,
        // What follows another step goes on from the version that this one leads to.
        body: lead && !asking && alone ? { version: task.incident.version, ...body } : body,
        files: shots.map((blob) => ({ blob, path: '/photos', field: 'photo_ids' })),
        action: t(`step.name.${step}`),
        title: task.incident.title,
        ...(draft ? { draft } : {}),
      });
      setDoing(null);
    } catch {
      void message.error(t('outbox.full'));
    }
  };

  return (
    <Page title={t('tasks.title')} className="tasks" extra={<span className="muted">{me.unit?.name ?? me.division.name}</span>}>
      <OutboxList />
      <Segmented
        block
        size="large"
        value={state}
        onChange={(value) => view.set({ state: value, page: null })}
        options={[
          { value: 'open', label: `${t('tasks.open')}${state === 'open' && answer.data ? ` ${answer.data.total}` : ''}` },
          { value: 'done', label: `${t('tasks.done')}${state === 'done' && answer.data ? ` ${answer.data.total}` : ''}` },
        ]}
      />
      <Answered answer={answer} empty={(data) => data.items.length === 0} emptyText={me.unit === null ? 'tasks.no_unit' : state === 'open' ? 'tasks.none' : 'tasks.none.done'} rows={8}>
        {(data) => (
          <>
            <ul className="task-cards">
              {data.items.map((task) => (
                <TaskCard
                  key={task.id}
                  task={task}
                  outbox={outbox}
                  onStep={(step) => (step === 'accept' || step === 'resume' ? void queue(task, step, {}, []) : setDoing({ task, step }))}
                />
              ))}
            </ul>
            {data.total > data.size && (
              <Pagination align="center" current={page} pageSize={data.size} total={data.total} showSizeChanger={false} onChange={(next) => view.set({ page: next })} />
            )}
          </>
        )}
      </Answered>
      {doing && <StepDrawer task={now(doing.task)} step={doing.step} onClose={() => setDoing(null)} onDone={(body, shots, draft) => void queue(now(doing.task), doing.step, body, shots, draft)} />}
    </Page>
  );
}
