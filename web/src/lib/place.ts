/** Whether a place can be drawn: both numbers there, inside the world, and not the zero that broken devices send. */
export function drawable(lon: unknown, lat: unknown): lon is number {
  return (
    typeof lon === 'number' &&
    typeof lat === 'number' &&
    Number.isFinite(lon) &&
    Number.isFinite(lat) &&
    Math.abs(lon) <= 180 &&
    Math.abs(lat) <= 85 &&
    !(lon === 0 && lat === 0)
  );
}
