import { useQueryClient } from '@tanstack/react-query';
import { Spin } from 'antd';
import { createContext, use, useCallback, useEffect, useMemo, type ReactNode } from 'react';
import { api, setCsrfToken, whenUnauthenticated } from '../api/client';
import { apiKey, useGet } from '../api/hooks';
import type { Me, PlatformClock, Role } from '../api/types';
import { syncClock } from '../lib/clock';
import { answeredAt, forgetAnswers } from '../offline/answers';
import { SignIn } from '../pages/SignIn';
import { Failed } from '../ui/states';

interface Session {
  me: Me;
  has: (...roles: Role[]) => boolean;
  signOut: () => Promise<void>;
}

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = use(SessionContext);
  if (!session) throw new Error('useSession needs a signed-in page');
  return session;
}

/** Shows the sign-in page to strangers and the console to people whom the server knows. */
export function SessionGate({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const answer = useGet<Me>('/session', {}, { staleTime: Infinity });
  const clock = useGet<PlatformClock>(answer.data ? '/clock' : null, {}, { refetchInterval: 60_000 });
  const me = answer.data;
  if (me) setCsrfToken(me.csrf_token);

  useEffect(() => {
    if (me) syncClock(me.clock, answeredAt() ?? undefined);
  }, [me]);
  useEffect(() => {
    if (clock.data) syncClock(clock.data, answeredAt() ?? undefined);
  }, [clock.data]);
  useEffect(() => {
    whenUnauthenticated(() => void client.resetQueries({ queryKey: apiKey('/session') }));
  }, [client]);

  const signOut = useCallback(async () => {
    await api.remove('/session').catch(() => undefined);
    await forgetAnswers();
    client.clear();
    window.location.assign('/');
  }, [client]);
  const value = useMemo<Session | null>(
    () => (me ? { me, signOut, has: (...roles) => roles.some((role) => me.roles.includes(role)) } : null),
    [me, signOut],
  );

  if (value) return <SessionContext value={value}>{children}</SessionContext>;
  if (answer.error && answer.error.status !== 401) {
    return <Failed error={answer.error} retry={() => void answer.refetch()} />;
  }
  if (answer.error) {
    return <SignIn onSignedIn={(signedIn) => client.setQueryData(apiKey('/session'), signedIn)} />;
  }
  return <Spin fullscreen />;
}
