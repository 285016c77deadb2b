import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { ApiError } from './api/client';
import { Console } from './app/Console';
import { LiveProvider } from './app/live';
import { SessionGate } from './app/session';
import { ThemeProvider } from './app/theme';
import { TextsProvider } from './i18n';
import './styles/index.css';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // Also without a network: the service worker has the last answers.
      networkMode: 'always',
      refetchOnWindowFocus: false,
      // Only a broken connection is worth another try; an answer with a reason is not.
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
    },
  },
});

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <BrowserRouter>
        <TextsProvider>
          <ThemeProvider>
            <SessionGate>
              <LiveProvider>
                <Console />
              </LiveProvider>
            </SessionGate>
          </ThemeProvider>
        </TextsProvider>
      </BrowserRouter>
    </QueryClientProvider>
  </StrictMode>,
);
