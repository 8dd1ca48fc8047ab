import { formatOrigin, type Origin } from './origin.ts';

/** One problem of the configuration. It never contains a value. */
export interface ConfigIssue {
  /** The key, such as `stores.s3.bucket`. Empty: the source as a whole. */
  readonly path: string;
  /** What is wrong, with the expected type or limit. */
  readonly problem: string;
  /** The source of the value. `undefined` if the value is missing in all sources. */
  readonly origin?: Origin | undefined;
}

/** Thrown if the configuration is invalid. It has all problems at once, in the order of their sources. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    const sorted = [...issues].sort(byOrigin);
    super(sorted.map(formatIssue).join('\n'));
    this.issues = sorted;
  }
}

/** Returns a problem on one line. */
export function formatIssue({ path, problem, origin }: ConfigIssue): string {
  const source = origin === undefined || origin.kind === 'default' ? undefined : formatOrigin(origin);
  const subject = path === '' ? '' : `${path}: `;
  if (source === undefined) return `${path === '' ? 'configuration: ' : subject}${problem}`;
  return origin?.kind === 'file' && origin.line !== undefined
    ? `${source} ${subject}${problem}`
    : `${source}: ${subject}${problem}`;
}

const ranks = { file: 0, environment: 1, flag: 2, default: 3 } as const;

function byOrigin({ origin: a }: ConfigIssue, { origin: b }: ConfigIssue): number {
  const rank = ranks[a?.kind ?? 'default'] - ranks[b?.kind ?? 'default'];
  if (rank !== 0 || a?.kind !== 'file' || b?.kind !== 'file') return rank;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
