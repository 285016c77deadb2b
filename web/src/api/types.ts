/** The shapes that the platform's HTTP interface answers with, as generated from its own document. */

import type { components } from './schema';

type Schemas = components['schemas'];
type Refine<T, R> = Omit<T, keyof R> & R;

export type Level = 1 | 2 | 3 | 4;

export interface Paged<T> {
  items: T[];
  total: number;
  page: number;
  size: number;
}

export type Me = Schemas['Me'];
export type Role = Schemas['Role'];
export type ClockInfo = Schemas['ClockOut'];
export type PlatformClock = Schemas['PlatformClock'];

export type Division = Schemas['DivisionOut'];
export type Unit = Schemas['UnitBody'];
export type Category = Schemas['CategoryOut'];

export type Device = Schemas['DeviceOut'];
export type DevicePart = Schemas['DeviceListOut'];
export type DeviceWhole = Schemas['DeviceDetail'];
export type DeviceHealth = Schemas['HealthOut'];
export type DeviceFinding = Schemas['DeviceFindingOut'];
export type UpkeepEntry = Schemas['UpkeepOut'];
export type Credential = Schemas['CredentialOut'];
export type NewCredential = Schemas['NewCredential'];
export type DeviceImport = Schemas['DeviceImportOut'];
export type CellError = Schemas['CellErrorOut'];
export type Knock = Schemas['KnockOut'];
export type KnockSeen = Schemas['SeenOut'];
export type DeviceClass = Schemas['DeviceClassOut'];
export type DeviceMap = Schemas['DeviceMap'];
export type LatestValue = Schemas['LatestOut'];
export type Series = Refine<
  Schemas['SeriesOut'],
  { points: [string, number | null, string][]; thresholds: Refine<Schemas['ThresholdLine'], { level: Level }>[] }
>;
export type Edge = Schemas['EdgeOut'];
export type EdgeMade = Schemas['EdgeMade'];
export type EdgeHappening = Schemas['HappeningOut'];
export type Quarantined = Schemas['HeldOut'];
export type QuarantinedDetail = Schemas['HeldDetail'];

export type Warning = Refine<Schemas['WarningOut'], { level: Level; peak_level: Level }>;
export type Threshold = Refine<Schemas['ThresholdOut'], { opens_incident_at: Level }>;

export type Action = Schemas['ActionOut'];
export type ActionBody = Partial<Omit<Schemas['chengnao__incident__routes__ActionIn'], 'version'>>;
export type TimelineEntry = Schemas['TimelineOut'];
export type IncidentFlat = Refine<Schemas['IncidentOut'], { grade: Level }>;
export type Task = Refine<Schemas['TaskOut'], { incident: Refine<Schemas['TaskIncident'], { grade: Level }> }>;
export type Incident = Refine<Schemas['IncidentDetail'], { grade: Level; warnings: Warning[] }>;
export type ReportMade = Schemas['ReportMade'];
export type Report = Schemas['ReportOut'];
export type Contact = Schemas['ContactOut'];
export type TimeRequest = Schemas['RequestOut'];
export type Candidate = Schemas['CandidateOut'];
export type Merge = Schemas['MergeOut'];
export type Undone = Schemas['UndoneOut'];
export type DutyItem = Schemas['DutyItem'];
export type DutyList = Schemas['DutyList'];
export type Urge = Schemas['UrgeOut'];
export type Import = Schemas['ImportOut'];
export type ImportedRow = Schemas['ImportedRowOut'];
export type Draft = Schemas['chengnao__incident__drafts__routes__DraftOut'];
export type DraftDetail = Schemas['DraftDetail'];
export type Limit = Schemas['LimitOut'];
export type CategoryRule = Schemas['CategoryRuleOut'];
export type CityCalendar = Schemas['CalendarOut'];
export type Review = Schemas['ReviewOut'];
export type ReviewDetail = Schemas['ReviewDetail'];
export type Proposal = Schemas['ProposalOut'];
export type ProposalDetail = Schemas['ProposalDetail'];
export type ProposalIn = Schemas['ProposalIn'];
export type ProposalCase = Schemas['chengnao__review__proposals__views__CaseOut'];
export type Measures = Schemas['MeasuresOut'];
export type Cause = Schemas['CauseOut'];
export type Understanding = Schemas['UnderstandingOut'];
export type PlaceFound = Schemas['PlaceOut'];

export type Run = Schemas['RunOut'];
export type RunWithSteps = Schemas['RunWithSteps'];
export type RunStep = RunWithSteps['steps'][number];
export type Approval = Schemas['ApprovalOut'];
export type DeviceCommand = Schemas['CommandOut'];
export type DeviceCommandRecord = Schemas['CommandRecord'];
export type AgentRow = Schemas['AgentOut'];
export type AgentDetail = Schemas['AgentDetail'];
export type AgentVersion = Omit<VersionDetail, 'definition' | 'yaml'>;
export type VersionDetail = Schemas['VersionDetail'];
export type Publication = Schemas['PublicationOut'];
export type AgentTool = Schemas['ToolOut'];
export type AgentRule = Schemas['RuleOut'];
export type Checked = Schemas['CheckedOut'];
export type EvalSet = Schemas['SetOut'];
export type EvalItem = Schemas['Item-Output'];
export type EvalRun = Schemas['EvalRunOut'];
export type EvalResult = Schemas['ResultOut'];

export type KnowledgeBase = Schemas['BaseOut'];
export type KnowledgeDocument = Schemas['DocumentOut'];
export type KnowledgeDocumentDetail = Schemas['DocumentDetail'];
export type FoundPassage = Schemas['FoundOut'];
export type GroundedAnswer = Schemas['AnswerOut'];

export type SearchAnswer = Schemas['SearchOut'];
export type Advice = Schemas['AdviceOut'];
export type Explanation = Schemas['ExplanationOut'];
export type WrittenReport = Schemas['chengnao__supervision__writing__routes__DraftOut'];

export type ModelRow = Schemas['ModelOut'];
export type ModelDetail = Schemas['ModelDetail'];
export type ModelVersion = ModelDetail['version'];
export type AliasMove = Schemas['AliasMoveOut'];
export type Deployment = Schemas['DeploymentOut'];
export type ModelRoute = Schemas['RouteOut'];
export type Provider = Schemas['ProviderOut'];
export type ModelKey = Schemas['KeyOut'];
export type Budget = Schemas['BudgetOut'];
export type ModelUsage = Schemas['chengnao__models__gateway__metering__routes__UsageOut'];
export type ModelCall = Schemas['CallOut'];
export type TrainingJob = Schemas['JobOut'];
export type TrainingDetail = Schemas['JobDetail'];
export type Recipes = Schemas['RecipesOut'];

export type Situation = Schemas['Situation'];
export type MapFeature = Schemas['MapFeature'];
export type Evaluation = Schemas['EvaluationOut'];
export type EvaluationRow = Schemas['EvaluationRow'];
export type EvaluationCase = Schemas['chengnao__supervision__evaluation__routes__CaseOut'];
export type Definition = Schemas['Definition'];
export type Spread = Schemas['SpreadOut'];

export type Suggestion = Schemas['Suggestion'];
export type Responsibility = Schemas['ResponsibilityOut'];
export type UserRow = Schemas['UserOut'];
export type TokenRow = Schemas['TokenOut'];
export type AuditRow = Schemas['AuditOut'];

/** One process as the supervisor last saw it. */
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

/** One piece of news from the live stream. */
export interface StreamEvent {
  id: string;
  type: string;
  subject: string | null;
  division_code: string | null;
  unit_id: string | null;
  time: string;
  data: Record<string, unknown>;
}

export type ReturnReason = Schemas['ReturnReasonOut'];
