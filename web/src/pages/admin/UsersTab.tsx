import type { TableColumnsType } from 'antd';
import type { UserRow } from '../../api/types';
import { useTexts } from '../../i18n';
import { PagedTable } from '../../ui/PagedTable';

export function UsersTab() {
  const { t, word } = useTexts();
  const columns: TableColumnsType<UserRow> = [
    { title: t('signin.username'), key: 'username', render: (_, row) => <code>{row.username}</code> },
    { title: t('user.name'), key: 'name', render: (_, row) => row.display_name },
    { title: t('user.roles'), key: 'roles', render: (_, row) => row.roles.map((role) => word('role', role)).join('、') },
    { title: t('field.division'), key: 'division', render: (_, row) => <span className="num">{row.division_code}</span> },
    { title: t('field.unit'), key: 'unit', render: (_, row) => row.unit_id ?? '—' },
  ];
  return <PagedTable<UserRow> path="/users" rowKey="id" columns={columns} />;
}
