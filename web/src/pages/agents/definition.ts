/** The parts of an agent's definition that the form knows; whatever else the YAML says is kept as it is. */

export interface Property {
  type?: string;
  description?: string;
  enum?: unknown[];
  maxLength?: number;
  [more: string]: unknown;
}

export interface ObjectSchema {
  type: 'object';
  properties: Record<string, Property>;
  required?: string[];
  [more: string]: unknown;
}

export interface Definition {
  id: string;
  name: { zh: string; en: string };
  purpose: { zh: string; en: string } | string;
  kind: 'general' | 'scenario';
  capability: string;
  instructions: string;
  input: ObjectSchema;
  output: ObjectSchema;
  tools?: string[];
  autonomy?: 'suggest' | 'act_with_approval' | 'act';
  limits?: { tokens?: number; seconds?: number; money?: number; steps?: number };
  model?: { route?: string; data?: string };
  evidence?: 'required' | 'optional';
  evals?: { set: string; pass_mark: number } | null;
  fallback: { rule?: string | null; human?: string | null };
  [more: string]: unknown;
}

/** What a new agent begins with: it reads a text and gives a short answer that a person checks. */
export const blank: Definition = {
  id: '',
  name: { zh: '', en: '' },
  purpose: { zh: '', en: '' },
  kind: 'scenario',
  capability: 'judgement',
  instructions: '',
  input: { type: 'object', properties: { text: { type: 'string', maxLength: 4000 } }, required: ['text'] },
  output: { type: 'object', properties: { answer: { type: 'string', maxLength: 500 } }, required: ['answer'] },
  tools: [],
  autonomy: 'suggest',
  limits: { tokens: 8000, seconds: 60, money: 0.1, steps: 6 },
  model: { route: 'chat', data: 'internal' },
  evidence: 'optional',
  fallback: { human: 'duty_officer' },
};

/** The lines of each text that the other has not, by their number from 0. */
export function differing(first: string, second: string): [Set<number>, Set<number>] {
  const a = first.split('\n');
  const b = second.split('\n');
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i]![j] = a[i] === b[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
    }
  }
  const onlyA = new Set<number>();
  const onlyB = new Set<number>();
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      onlyA.add(i);
      i += 1;
    } else {
      onlyB.add(j);
      j += 1;
    }
  }
  return [onlyA, onlyB];
}
