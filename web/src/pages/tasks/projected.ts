import type { Task } from '../../api/types';
import type { Entry } from '../../offline/outbox';

/** What a person of the unit may do with a task; `extension` and `suspension` ask the desk for time. */
export type Step = 'accept' | 'return' | 'handle' | 'resume' | 'note' | 'extension' | 'suspension';

export interface Projected {
  state: Task['state'];
  steps: Step[];
  /** What was done here and the platform has not taken yet. */
  waiting: Entry[];
}

const working: Step[] = ['handle', 'return', 'note', 'extension', 'suspension'];
const outcome: Partial<Record<string, { state: Task['state']; steps: Step[] }>> = {
  accept: { state: 'accepted', steps: working },
  resume: { state: 'accepted', steps: working },
  handle: { state: 'handled', steps: [] },
  return: { state: 'returned', steps: [] },
};

const stepOf = ({ path }: Entry) => path.split('/').pop() ?? '';

/** The task as it will be once everything that waits has arrived. */
export function projected(task: Task, outbox: Entry[]): Projected {
  const lead = task.role === 'lead';
  const waiting = outbox.filter(({ lane }) => lane === task.incident_id);
  const known = new Set<string>([...working, 'accept', 'resume']);
  const named = lead ? task.actions.map(({ action }) => action) : task.steps;
  const offered = named.filter((step): step is Extract<typeof step, Step> => known.has(step)) as Step[];
  const asking: Step[] = lead && task.state === 'accepted' && offered.includes('handle') ? ['extension', 'suspension'] : [];
  let { state } = task;
  let steps = [...offered, ...asking];
  for (const entry of waiting) {
    // Behind a refused step nothing is sent before a person has decided.
    if (entry.problem) return { state, steps: [], waiting };
    const after = outcome[stepOf(entry)];
    if (after) ({ state, steps } = after);
  }
  // While the deadline is not known yet, nobody can ask for a later one.
  if (task.handle_by === null) steps = steps.filter((step) => step !== 'extension');
  if (!lead) steps = steps.filter((step) => step !== 'extension' && step !== 'suspension' && step !== 'note');
  return { state, steps, waiting };
}
