import dayjs, { type Dayjs } from 'dayjs';
import utc from 'dayjs/plugin/utc';

dayjs.extend(utc);

/** All times are shown in the city's own time, wherever the reader sits. */
export function cityTime(value: string | number): Dayjs {
  return dayjs.utc(value).utcOffset(8);
}

export function showTime(value: string | number | null | undefined): string {
  return value == null ? '—' : cityTime(value).format('MM-DD HH:mm');
}

export function showFullTime(value: string | number | null | undefined): string {
  return value == null ? '—' : cityTime(value).format('YYYY-MM-DD HH:mm:ss');
}

/** A wall-clock choice made in the browser, read as the city's time. */
export function asCityInstant(value: Dayjs): string {
  return dayjs.utc(value.format('YYYY-MM-DDTHH:mm:ss')).subtract(8, 'hour').toISOString();
}

export interface Span {
  days: number;
  hours: number;
  minutes: number;
}

export function spanOf(milliseconds: number): Span {
  const minutes = Math.floor(Math.abs(milliseconds) / 60_000);
  return { days: Math.floor(minutes / 1440), hours: Math.floor((minutes % 1440) / 60), minutes: minutes % 60 };
}
