import { Pagination, Segmented } from 'antd';
import { useState } from 'react';
import { useGet } from '../../api/hooks';
import type { Paged, Task } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { useView } from '../../lib/view';
import { Page } from '../../ui/Page';
import { Answered } from '../../ui/states';
import { HandleDrawer } from './HandleDrawer';
import { TaskCard } from './TaskCard';

/** What a handler carries in the pocket: the tasks of the own unit, one card each. */
export default function TasksPage() {
  const { t } = useTexts();
  const { me } = useSession();
  const view = useView();
  const state = view.get('state') === 'done' ? 'done' : 'open';
  const page = view.number('page', 1);
  const answer = useGet<Paged<Task>>('/tasks/mine', { state, page, size: 20 }, { keep: true });
  const [handling, setHandling] = useState<Task | null>(null);
  return (
    <Page
      title={t('tasks.title')}
      className="tasks"
      extra={<span className="muted">{me.unit?.name ?? me.division?.name}</span>}
    >
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
                <TaskCard key={task.id} task={task} onHandle={() => setHandling(task)} />
              ))}
            </ul>
            {data.total > data.size && (
              <Pagination align="center" current={page} pageSize={data.size} total={data.total} showSizeChanger={false} onChange={(next) => view.set({ page: next })} />
            )}
          </>
        )}
      </Answered>
      <HandleDrawer task={handling} onClose={() => setHandling(null)} />
    </Page>
  );
}
