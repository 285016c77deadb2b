import { App } from 'antd';
import { useCallback } from 'react';
import { useRefresh } from '../api/hooks';
import { useTexts } from '../i18n';

/** Does something at the platform, says what came of it, and has what is read below this path read anew. */
export function useDo(prefix: string): <T>(step: () => Promise<T>) => Promise<T | undefined> {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const renew = useRefresh();
  return useCallback(
    async (step) => {
      try {
        const answer = await step();
        void message.success(t('saved'));
        return answer;
      } catch (error) {
        void message.error(errorText(error), 8);
        return undefined;
      } finally {
        renew([prefix]);
      }
    },
    [t, errorText, message, renew, prefix],
  );
}
