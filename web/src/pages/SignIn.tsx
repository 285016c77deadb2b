import { GlobalOutlined, LockOutlined, UserOutlined } from '@ant-design/icons';
import { Alert, Button, Form, Input } from 'antd';
import { useState } from 'react';
import { api } from '../api/client';
import { useGet } from '../api/hooks';
import type { Me, PlatformClock } from '../api/types';
import { useTexts } from '../i18n';
import { Mark } from '../ui/Mark';

const demoAccounts = ['zhiban', 'fenbo', 'hecha', 'yuzhong', 'chuzhi', 'jiedao', 'shuju', 'yunwei', 'shenji', 'developer'] as const;
const demoPassword = 'chengnao-demo';

interface Fields {
  username: string;
  password: string;
}

export function SignIn({ onSignedIn }: { onSignedIn: (me: Me) => void }) {
  const { t, lang, setLang, errorText } = useTexts();
  const [form] = Form.useForm<Fields>();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const clock = useGet<PlatformClock>('/clock');

  const submit = async (fields: Fields) => {
    setBusy(true);
    setError(null);
    try {
      onSignedIn(await api.post<Me>('/session', fields));
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };

  return (
    <main className="signin">
      <div className="signin-card">
        <div className="signin-brand">
          <Mark size={44} />
          <div>
            <h1>{t('app.name')}</h1>
            <p>{t('app.subtitle')}</p>
          </div>
        </div>
        <Form form={form} layout="vertical" onFinish={(fields) => void submit(fields)} requiredMark={false} size="large">
          <Form.Item name="username" label={t('signin.username')} rules={[{ required: true, message: t('signin.username.missing') }]}>
            <Input prefix={<UserOutlined />} autoComplete="username" autoFocus data-testid="username" />
          </Form.Item>
          <Form.Item name="password" label={t('signin.password')} rules={[{ required: true, message: t('signin.password.missing') }]}>
            <Input.Password prefix={<LockOutlined />} autoComplete="current-password" data-testid="password" />
          </Form.Item>
          {error !== null && (
            <Alert type="error" showIcon title={errorText(error)} className="signin-error" data-testid="signin-error" />
          )}
          <Button type="primary" htmlType="submit" block loading={busy} data-testid="signin">
            {t('signin.submit')}
          </Button>
        </Form>
        {clock.data?.demo && (
          <section className="signin-demo" aria-label={t('signin.demo')}>
            <header>
              <b>{t('demo.badge')}</b> {t('signin.demo')}
            </header>
            <div className="signin-accounts">
              {demoAccounts.map((name) => (
                <button key={name} type="button" onClick={() => form.setFieldsValue({ username: name, password: demoPassword })}>
                  <code>{name}</code>
                  <span>{t(`account.${name}`)}</span>
                </button>
              ))}
            </div>
          </section>
        )}
        <Button type="text" size="small" icon={<GlobalOutlined />} className="signin-lang" data-testid="lang-switch" onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')}>
          {t('lang.other')}
        </Button>
      </div>
    </main>
  );
}
