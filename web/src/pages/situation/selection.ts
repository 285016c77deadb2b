export interface Selection {
  kind: 'warning' | 'incident';
  id: string;
}

/** Reads `warning:ID` or `incident:ID` from the address. */
export function selectionOf(text: string): Selection | null {
  const at = text.indexOf(':');
  const kind = text.slice(0, at);
  const id = text.slice(at + 1);
  return (kind === 'warning' || kind === 'incident') && id ? { kind, id } : null;
}

export const isSelected = (selection: Selection | null, kind: Selection['kind'], id: string) =>
  selection?.kind === kind && selection.id === id;
