import { useParams } from 'react-router';
import { useTexts } from '../../i18n';
import { Page, Panel } from '../../ui/Page';
import { RunView } from './RunView';

export default function RunPage() {
  const { id = '' } = useParams();
  const { t } = useTexts();
  return (
    <Page title={t('run.title')}>
      <Panel>
        <RunView id={id} />
      </Panel>
    </Page>
  );
}
