const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const;

/** Returns an age as kubectl prints it: its two largest units, such as `3d4h`, `5m` or `12s`. */
export function ageOf(at: Date, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - at.getTime()) / 1000));
  const index = Math.max(
    0,
    units.findIndex(([, size]) => seconds >= size),
  );
  if (seconds === 0) return '0s';
  const [name, size] = units[index] ?? units[3];
  const next = units[index + 1];
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[1]);
  return `${Math.floor(seconds / size)}${name}${rest === 0 ? '' : `${rest}${next?.[0]}`}`;
}
