import { SearchOutlined } from '@ant-design/icons';
import { Input, type InputRef } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useKeys } from '../lib/keys';

/** A search field that `/` jumps to; the page is asked again once typing pauses. */
export function SearchBox({ value, onSearch, placeholder }: { value: string; onSearch: (text: string) => void; placeholder: string }) {
  const [typed, setTyped] = useState(value);
  const box = useRef<InputRef>(null);
  const search = useRef(onSearch);
  search.current = onSearch;
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = window.setTimeout(() => search.current(typed.trim()), 300);
    return () => window.clearTimeout(timer);
  }, [typed, value]);
  useKeys({ '/': () => box.current?.focus() });
  return (
    <Input
      ref={box}
      className="search"
      allowClear
      prefix={<SearchOutlined />}
      suffix={typed ? null : <kbd>/</kbd>}
      value={typed}
      placeholder={placeholder}
      aria-label={placeholder}
      onChange={(event) => setTyped(event.target.value)}
      onKeyDown={(event) => event.key === 'Escape' && box.current?.blur()}
      data-testid="search"
    />
  );
}
