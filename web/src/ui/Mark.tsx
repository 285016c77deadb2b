/** The product's mark: two open rings, a city that senses and answers. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" stroke="var(--accent)" strokeWidth={2.6} strokeLinecap="round" aria-hidden>
      <path d="M26.4 11.2A11.5 11.5 0 1 0 27 19" />
      <path d="M21.2 12.6a6 6 0 1 0 .4 6.4" />
      <circle cx="27" cy="15" r="2.2" fill="var(--accent)" stroke="none" />
    </svg>
  );
}
