import type { TransferState } from './transfer-rate.ts';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const barCharacters = 20;

/** Returns bytes with a unit. */
export function bytesText(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return power === 0 ? `${Math.round(bytes)} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power] ?? ''}`;
}

/** Returns a duration as `m:ss` or `h:mm:ss`. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [first = 0, ...rest] = parts[0] === 0 ? parts.slice(1) : parts;
  return [String(first), ...rest.map((part) => String(part).padStart(2, '0'))].join(':');
}

/** Returns one line without a bar, for output that is not a terminal. */
export function plainLine(state: TransferState): string {
  const { bytes, totalBytes, bytesPerSecond } = state;
  const left = leftMs(state);
  const parts = [
    totalBytes === undefined ? bytesText(bytes) : `${bytesText(bytes)} of ${bytesText(totalBytes)}`,
    ...(bytesPerSecond === undefined ? [] : [`${bytesText(bytesPerSecond)}/s`]),
    ...(left === undefined ? [] : [`${durationText(left)} left`]),
  ];
  return parts.join(', ');
}

/** Returns one line with a bar, of at most `columns` characters. */
export function barLine(state: TransferState, columns: number): string {
  const { bytes, totalBytes, bytesPerSecond, elapsedMs } = state;
  const rate = bytesPerSecond === undefined ? '' : `  ${bytesText(bytesPerSecond)}/s`;
  if (totalBytes === undefined) return `${bytesText(bytes)}${rate}  ${durationText(elapsedMs)}`.slice(0, columns);
  const part = totalBytes === 0 ? 1 : bytes / totalBytes;
  const filled = Math.floor(part * barCharacters);
  const left = leftMs(state);
  const eta = left === undefined ? '' : `  ETA ${durationText(left)}`;
  const percent = String(Math.floor(part * 100)).padStart(3);
  const bar = `${'#'.repeat(filled)}${'-'.repeat(barCharacters - filled)}`;
  return `${percent}% [${bar}]  ${bytesText(bytes)} of ${bytesText(totalBytes)}${rate}${eta}`.slice(0, columns);
}

function leftMs({ bytes, totalBytes, bytesPerSecond }: TransferState): number | undefined {
  if (totalBytes === undefined || bytesPerSecond === undefined || bytesPerSecond <= 0) return undefined;
  return ((totalBytes - bytes) / bytesPerSecond) * 1000;
}
