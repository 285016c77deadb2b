import { SearchOutlined } from '@ant-design/icons';
import { Button, Input, Modal } from 'antd';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { useGet } from '../api/hooks';
import type { SearchAnswer } from '../api/types';
import { useTexts } from '../i18n';
import { Answered } from '../ui/states';

/** One box for incidents, warnings, devices, knowledge, agents and pages; Ctrl+K opens it anywhere. */
export function FindAll() {
  const { t } = useTexts();
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setOpen(true);
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, []);
  return (
    <>
      <Button type="text" icon={<SearchOutlined />} onClick={() => setOpen(true)} aria-label={t('search.all')} title="Ctrl+K" data-testid="search-open" />
      <Modal open={open} footer={null} closable={false} width={680} onCancel={() => setOpen(false)} destroyOnHidden>
        <Found onLeave={() => setOpen(false)} />
      </Modal>
    </>
  );
}

function Found({ onLeave }: { onLeave: () => void }) {
  const { t, word } = useTexts();
  const [typed, setTyped] = useState('');
  const [q, setQ] = useState('');
  useEffect(() => {
    const timer = window.setTimeout(() => setQ(typed.trim()), 250);
    return () => window.clearTimeout(timer);
  }, [typed]);
  const answer = useGet<SearchAnswer>(q ? '/search' : null, { q }, { keep: true });
  return (
    <div className="search-all">
      <Input size="large" autoFocus prefix={<SearchOutlined />} value={typed} onChange={(event) => setTyped(event.target.value)} placeholder={t('search.hint')} aria-label={t('search.all')} maxLength={200} data-testid="search-all" />
      {q && (
        <Answered answer={answer} empty={(found) => found.groups.every((group) => group.hits.length === 0)} emptyText="search.none">
          {(found) =>
            found.groups.map((group) => (
              <section key={group.kind}>
                <h3>{word('search.group', group.kind, group.name)}</h3>
                <ul>
                  {group.hits.map((hit) => (
                    <li key={hit.id}>
                      <Link to={hit.path} onClick={onLeave}>
                        {hit.title}
                        <small>{hit.detail}</small>
                      </Link>
                    </li>
                  ))}
                </ul>
              </section>
            ))
          }
        </Answered>
      )}
    </div>
  );
}
