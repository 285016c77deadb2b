/** What the platform tells somebody who knows a report's number and code. */

import { api } from '../api/client';
import type { components } from '../api/schema';

export type Matter = components['schemas']['PublicReportOut'];
export type Rating = Omit<components['schemas']['RatingIn'], 'code'>;

const pathOf = (number: string) => `/public/reports/${encodeURIComponent(number)}`;

export const readMatter = (number: string, code: string) => api.get<Matter>(pathOf(number), { code });
export const rate = (number: string, code: string, rating: Rating) => api.post<Matter>(`${pathOf(number)}/answer`, { code, ...rating });
