/** A measured value without more digits than anyone reads. */
export function figure(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? '—' : String(Number(value.toPrecision(5)));
}
