import { App, Button, Form, Input, InputNumber, Modal, Popconfirm, Select, Tag } from 'antd';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { api } from '../../api/client';
import { useGet } from '../../api/hooks';
import type { DeviceWhole, Knock, KnockSeen } from '../../api/types';
import { useSession } from '../../app/session';
import { useTexts } from '../../i18n';
import { showTime } from '../../lib/time';
import { useView } from '../../lib/view';
import { useClassName, useDeviceClasses } from '../../ui/names';
import { PagedTable } from '../../ui/PagedTable';
import { SearchBox } from '../../ui/SearchBox';
import { DivisionSelect, UnitSelect } from '../../ui/selects';
import { useDo } from '../../ui/useDo';

/** Devices that knock and are not registered: told, guessed at, registered, and what they brought let in. */
export function Discovered() {
  const { t } = useTexts();
  const view = useView();
  const { has } = useSession();
  const { message } = App.useApp();
  const run = useDo('/discovered');
  const [chosen, setChosen] = useState<Knock>();
  const writes = has('steward');
  const replay = async ({ source, address }: Pick<Knock, 'source' | 'address'>) => {
    const done = await run(() => api.post<{ pieces: number }>('/discovered/replay', { source, address }));
    if (done) void message.info(t('knock.replayed', { pieces: done.pieces }));
  };
  return (
    <>
      <p className="muted">{t('knock.hint')}</p>
      <div className="filters">
        <SearchBox value={view.get('q')} onSearch={(q) => view.set({ q, page: null })} placeholder={t('knock.address')} />
      </div>
      <PagedTable<Knock>
        path="/discovered"
        query={{ q: view.get('q') }}
        rowKey={(row) => `${row.source}-${row.address}`}
        refetchInterval={10_000}
        columns={[
          { title: t('field.protocol'), key: 'source', width: 100, render: (_, row) => <code>{row.source}</code> },
          { title: t('knock.address'), key: 'address', render: (_, row) => <code data-testid="knock-address">{row.address || '—'}</code> },
          { title: t('knock.count'), key: 'count', width: 80, align: 'right', render: (_, row) => <span className="num">{row.count}</span> },
          { title: t('knock.first'), key: 'first', width: 120, render: (_, row) => <span className="num">{showTime(row.first_at)}</span> },
          { title: t('knock.last'), key: 'last', width: 120, render: (_, row) => <span className="num">{showTime(row.last_at)}</span> },
          { title: t('knock.peer'), key: 'peer', width: 170, ellipsis: true, render: (_, row) => row.peer || '—' },
          {
            title: '',
            key: 'do',
            width: 300,
            render: (_, row) => (
              <div className="row-actions">
                {row.device_id ? (
                  <>
                    <Link to={`/devices/${encodeURIComponent(row.device_id)}`}>{t('knock.known', { id: row.device_id })}</Link>
                    {writes && (
                      <Button size="small" data-testid="knock-replay" onClick={() => void replay(row)}>
                        {t('knock.replay')}
                      </Button>
                    )}
                  </>
                ) : (
                  writes &&
                  row.address && (
                    <Button size="small" type="primary" data-testid="knock-register" onClick={() => setChosen(row)}>
                      {t('knock.register')}
                    </Button>
                  )
                )}
                {writes && row.address && (
                  <Popconfirm title={t('knock.discard.sure')} onConfirm={() => void run(() => api.post('/discovered/discard', { source: row.source, address: row.address, reason: t('knock.discard') }))}>
                    <Button size="small">{t('knock.discard')}</Button>
                  </Popconfirm>
                )}
              </div>
            ),
          },
        ]}
      />
      {chosen && <Register knock={chosen} close={() => setChosen(undefined)} after={() => void replay(chosen)} />}
    </>
  );
}

interface Fields {
  id?: string;
  name: string;
  class_code: string;
  division_code: string;
  unit_id?: string;
  interval_seconds?: number;
}

function Register({ knock, close, after }: { knock: Knock; close: () => void; after: () => void }) {
  const { t, lang } = useTexts();
  const run = useDo('/discovered');
  const classes = useDeviceClasses();
  const className = useClassName();
  const [form] = Form.useForm<Fields>();
  const seen = useGet<KnockSeen>('/discovered/guess', { source: knock.source, address: knock.address });
  const best = seen.data?.guesses[0];
  useEffect(() => {
    if (best) form.setFieldsValue({ class_code: best.class_code });
  }, [best, form]);
  const save = async (values: Fields) => {
    const byId = /^[A-Za-z0-9][A-Za-z0-9_:-]{0,63}$/.test(knock.address) && (knock.source === 'http' || knock.source === 'mqtt');
    const body = { ...values, protocol: knock.source, ...(byId ? { id: knock.address } : { address: knock.address }) };
    if (await run(() => api.post<DeviceWhole>('/devices', body))) {
      close();
      after();
    }
  };
  return (
    <Modal open title={`${t('knock.register')} ${knock.address}`} onCancel={close} okText={t('knock.register')} cancelText={t('cancel')} onOk={() => void form.submit()} okButtonProps={{ id: 'knock-save' }}>
      <p>
        {t('knock.points')}：{Object.keys(seen.data?.points ?? {}).slice(0, 12).map((name) => <Tag key={name}>{name}</Tag>)}
      </p>
      <p className="muted" data-testid="knock-guess">
        {t('knock.guess')}：{best ? t('knock.guess.of', { name: lang === 'zh' ? best.class_name : best.class_name_en, matched: best.matched, seen: best.seen }) : t('knock.guess.none')}
      </p>
      <Form<Fields> form={form} layout="vertical" initialValues={{ name: knock.address }} onFinish={(values) => void save(values)}>
        <Form.Item name="name" label={t('field.device')} rules={[{ required: true, max: 200 }]}>
          <Input />
        </Form.Item>
        <Form.Item name="class_code" label={t('field.class')} rules={[{ required: true }]}>
          <Select options={classes.map(({ code }) => ({ value: code, label: className(code) }))} />
        </Form.Item>
        <Form.Item name="division_code" label={t('field.division')} rules={[{ required: true }]}>
          <DivisionSelect />
        </Form.Item>
        <Form.Item name="unit_id" label={t('field.unit')}>
          <UnitSelect allowClear />
        </Form.Item>
        <Form.Item name="interval_seconds" label={t('device.interval')}>
          <InputNumber min={1} max={2678400} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
