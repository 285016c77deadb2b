/** The shapes that the platform's HTTP interface answers with. */

export type Level = 1 | 2 | 3 | 4;

export interface Paged<T> {
  items: T[];
  total: number;
  page: number;
  size: number;
}

export interface ClockInfo {
  now: string;
  speed: number;
  demo?: boolean;
}

export type Role =
  | 'duty_officer'
  | 'dispatcher'
  | 'handler'
  | 'verifier'
  | 'steward'
  | 'operator'
  | 'auditor';

export interface Me {
  id: string;
  username: string;
  display_name: string;
  roles: Role[];
  tier: string;
  division: { code: string; name: string } | null;
  unit: { id: string; name: string } | null;
  csrf_token: string;
  demo: boolean;
  clock: ClockInfo;
}

export interface Division {
  code: string;
  name: string;
  tier: string;
  parent_code: string | null;
}

export interface Unit {
  id: string;
  name: string;
  tier: string;
  division_code: string;
  division_name?: string | null;
}

export interface Category {
  code: string;
  name: string;
  name_en: string;
  source?: string;
}

export interface DeviceFault {
  metric: string;
  kind: string;
  since: string;
}

export interface Device {
  id: string;
  name: string;
  class_code: string;
  class_name: string;
  division_code: string;
  division_name: string | null;
  unit_id: string | null;
  unit_name: string | null;
  lon: number | null;
  lat: number | null;
  place_ok: boolean;
  protocol: string;
  interval_seconds: number;
  status: string;
  last_seen: string | null;
  faults: DeviceFault[];
}

export interface Metric {
  code: string;
  name: string;
  name_en: string;
  unit: string;
}

export interface DeviceClass {
  code: string;
  name: string;
  name_en: string;
  interval_seconds: number;
  metrics: Metric[];
}

export interface LatestValue {
  metric: string;
  name: string;
  name_en: string;
  unit: string;
  value: number | null;
  quality: string;
  time: string;
}

export interface ThresholdLine {
  level: Level;
  value: number;
  direction: string;
}

export interface Series {
  metric: string;
  unit: string | null;
  points: [string, number | null, string][];
  thresholds: ThresholdLine[];
}

export interface DeviceMap {
  clusters: { lon: number; lat: number; count: number; worst: string }[];
  devices: Pick<Device, 'id' | 'name' | 'lon' | 'lat' | 'status'>[];
}

export interface Quarantined {
  id: string;
  source: string;
  peer: string;
  device: string;
  reason: string;
  reason_text: string;
  reason_text_en: string;
  state: string;
  received_at: string;
  size: number;
  /** How many more like it came in the same minute and were not kept. */
  count: number;
  outcome: Record<string, unknown> | null;
  handled_by: string | null;
}

export interface QuarantinedDetail extends Quarantined {
  hex: string;
  text: string;
}

export interface Warning {
  id: string;
  title: string;
  category: string;
  level: Level;
  peak_level: Level;
  state: string;
  device_id: string | null;
  device_name: string | null;
  metric: string | null;
  value: number | null;
  unit: string | null;
  threshold: number | null;
  opened_at: string;
  updated_at: string;
  cleared_at: string | null;
  division_code: string;
  division_name: string | null;
  unit_id: string | null;
  lon: number | null;
  lat: number | null;
  incident_id: string | null;
}

export interface Action {
  action: string;
  name: string;
  needs_reason: boolean;
  needs_unit: boolean;
  needs_result: boolean;
  primary: boolean;
}

export interface IncidentFlat {
  id: string;
  number: string;
  title: string;
  description: string | null;
  category: string;
  category_name: string;
  grade: Level;
  state: string;
  state_name: string;
  source: string;
  division_code: string;
  division_name: string | null;
  lon: number | null;
  lat: number | null;
  address: string | null;
  unit_id: string | null;
  unit_name: string | null;
  assignee_name: string | null;
  opened_at: string;
  accept_by: string | null;
  handle_by: string | null;
  verify_by: string | null;
  due_at: string | null;
  overdue: boolean;
  escalation: number;
  closed_at: string | null;
  version: number;
}

export interface Report {
  id: string;
  tracking_number: string;
  content: string;
  reporter_name?: string | null;
  address?: string | null;
  received_at?: string | null;
  created_at?: string | null;
}

export interface TimelineEntry {
  seq: number;
  at: string;
  actor_kind: string;
  actor_name: string;
  action: string;
  action_name: string;
  from_state: string | null;
  to_state: string | null;
  reason: string | null;
  data: Record<string, unknown> | null;
}

export interface Photo {
  id: string;
  at: string;
}

export interface Task {
  id: string;
  incident_id: string;
  incident?: {
    number: string;
    title: string;
    category_name: string;
    grade: Level;
    division_name: string | null;
    address: string | null;
    lon: number | null;
    lat: number | null;
  };
  seq: number;
  state: string;
  unit_id: string;
  unit_name: string | null;
  assignee_id: string | null;
  assignee_name: string | null;
  dispatched_at: string;
  accept_by: string | null;
  accepted_at: string | null;
  handle_by: string | null;
  handled_at: string | null;
  returned_at: string | null;
  return_reason: string | null;
  overdue: boolean;
  actions?: Action[];
}

export interface Incident extends IncidentFlat {
  warnings: Warning[];
  reports: Report[];
  tasks: Task[];
  timeline: TimelineEntry[];
  photos: Photo[];
  actions: Action[];
}

export interface ActionBody {
  version: number;
  reason?: string;
  unit_id?: string;
  result?: string;
  photo_ids?: string[];
  lon?: number;
  lat?: number;
}

export interface Situation {
  counts: {
    open_incidents: number;
    open_warnings: Partial<Record<'1' | '2' | '3' | '4', number>>;
    overdue: number;
    devices_online: number;
    devices_total: number;
    today_opened: number;
    today_closed: number;
  };
  districts: { code: string; incidents: number; warnings: number; worst_level: Level | null }[];
}

export interface EvaluationRow {
  key: string;
  name: string;
  opened: number;
  dispatched: number;
  accepted_on_time: number;
  accept_rate: number | null;
  handled_on_time: number;
  handle_rate: number | null;
  closed: number;
  close_rate: number | null;
  returned: number;
  return_rate: number | null;
  reworked: number;
  overdue_open: number;
}

export interface Evaluation {
  from: string;
  to: string;
  rows: EvaluationRow[];
  total: EvaluationRow;
  definitions: {
    key: string;
    name: string;
    name_en: string;
    numerator: string;
    numerator_en: string;
    denominator: string | null;
    denominator_en: string | null;
  }[];
}

export interface Threshold {
  id: string;
  revision: number;
  division_code: string;
  device_class: string | null;
  device_id: string | null;
  metric: string;
  direction: string;
  levels: Partial<Record<'1' | '2' | '3' | '4', number>>;
  duration_seconds: number;
  hysteresis: number;
  category: string;
  opens_incident_at: Level;
  enabled: boolean;
  source: string;
  unit_id: string | null;
}

export interface UserRow {
  id: string;
  username: string;
  display_name: string;
  roles: Role[];
  division_code: string;
  unit_id: string | null;
  active: boolean;
  demonstration: boolean;
}

export interface TokenRow {
  id: string;
  name: string;
  role: string;
  division_code: string;
  unit_id: string | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

export interface AuditRow {
  id: string;
  at: string;
  actor_name: string | null;
  action: string;
  outcome: string;
  division_code: string;
  detail: Record<string, unknown>;
}

export interface ProcessRow {
  name: string;
  state: string;
  pid: number | null;
  port: number | null;
  memory_mb: number | null;
  restarts: number;
  lag: number | null;
  detail: string;
}

export interface StreamEvent {
  id: string;
  type: string;
  subject: string | null;
  division_code: string | null;
  unit_id: string | null;
  time: string;
  data: Record<string, unknown>;
}
