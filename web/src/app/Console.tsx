import { Spin } from 'antd';
import { lazy, Suspense } from 'react';
import { Navigate, Route, Routes, useLocation } from 'react-router';
import { Sending } from '../offline/Sending';
import { ActionsProvider } from '../ui/actions';
import { Boundary } from '../ui/Boundary';
import { useSession } from './session';
import { Shell } from './Shell';

const Situation = lazy(() => import('../pages/situation/SituationPage'));
const Intake = lazy(() => import('../pages/intake/IntakePage'));
const Incidents = lazy(() => import('../pages/incidents/IncidentsPage'));
const IncidentPage = lazy(() => import('../pages/incident/IncidentPage'));
const Tasks = lazy(() => import('../pages/tasks/TasksPage'));
const Patrol = lazy(() => import('../pages/patrol/PatrolPage'));
const Supervision = lazy(() => import('../pages/supervision/SupervisionPage'));
const Reports = lazy(() => import('../pages/reports/ReportsPage'));
const Reviews = lazy(() => import('../pages/review/ReviewsPage'));
const ReviewPage = lazy(() => import('../pages/review/ReviewPage'));
const ProposalPage = lazy(() => import('../pages/review/ProposalPage'));
const EvaluationPage = lazy(() => import('../pages/evaluation/EvaluationPage'));
const Agents = lazy(() => import('../pages/agents/AgentsPage'));
const AgentPage = lazy(() => import('../pages/agents/AgentPage'));
const RunPage = lazy(() => import('../pages/agents/RunPage'));
const Knowledge = lazy(() => import('../pages/knowledge/KnowledgePage'));
const DocumentPage = lazy(() => import('../pages/knowledge/DocumentPage'));
const Models = lazy(() => import('../pages/models/ModelsPage'));
const ModelPage = lazy(() => import('../pages/models/ModelPage'));
const Devices = lazy(() => import('../pages/devices/DevicesPage'));
const DevicePage = lazy(() => import('../pages/devices/DevicePage'));
const Edges = lazy(() => import('../pages/edges/EdgesPage'));
const EdgePage = lazy(() => import('../pages/edges/EdgePage'));
const Admin = lazy(() => import('../pages/admin/AdminPage'));

export function Console() {
  const { has } = useSession();
  const { pathname } = useLocation();
  // Who only handles tasks starts with them.
  const home = has('duty_officer', 'dispatcher', 'verifier', 'steward', 'operator', 'auditor', 'developer') ? '/situation' : '/tasks';
  return (
    <ActionsProvider>
      <Shell>
        <Sending />
        <Boundary at={pathname}>
          <Suspense fallback={<Spin className="page-wait" size="large" />}>
            <Routes>
              <Route path="/situation" element={<Situation />} />
              <Route path="/intake" element={<Intake />} />
              <Route path="/incidents" element={<Incidents />} />
              <Route path="/incidents/:id" element={<IncidentPage />} />
              <Route path="/tasks" element={<Tasks />} />
              <Route path="/patrol" element={<Patrol />} />
              <Route path="/reports" element={<Reports />} />
              <Route path="/supervision" element={<Supervision />} />
              <Route path="/reviews" element={<Reviews />} />
              <Route path="/reviews/:id" element={<ReviewPage />} />
              <Route path="/proposals/:id" element={<ProposalPage />} />
              <Route path="/evaluation" element={<EvaluationPage />} />
              <Route path="/agents" element={<Agents />} />
              <Route path="/agents/runs/:id" element={<RunPage />} />
              <Route path="/agents/:id" element={<AgentPage />} />
              <Route path="/knowledge" element={<Knowledge />} />
              <Route path="/knowledge/documents/:id" element={<DocumentPage />} />
              <Route path="/models" element={<Models />} />
              <Route path="/models/:id" element={<ModelPage />} />
              <Route path="/devices" element={<Devices />} />
              <Route path="/devices/:id" element={<DevicePage />} />
              <Route path="/edges" element={<Edges />} />
              <Route path="/edges/:id" element={<EdgePage />} />
              <Route path="/admin" element={<Admin />} />
              <Route path="*" element={<Navigate to={home} replace />} />
            </Routes>
          </Suspense>
        </Boundary>
      </Shell>
    </ActionsProvider>
  );
}
