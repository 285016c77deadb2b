import { CheckCircleFilled, DisconnectOutlined, WarningFilled } from '@ant-design/icons';
import { useTexts } from '../../i18n';

export function DeviceStatus({ status }: { status: string }) {
  const { word } = useTexts();
  const icon = status === 'online' ? <CheckCircleFilled /> : status === 'faulty' ? <WarningFilled /> : <DisconnectOutlined />;
  return (
    <span className={`status status-${status}`}>
      {icon} {word('status', status)}
    </span>
  );
}
