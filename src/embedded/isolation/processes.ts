import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Identifies a process of this machine. The id alone is not sufficient, because the kernel reuses
 * it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's start to the process's start. */
  readonly startTime: number;
}

interface ProcessFacts extends ProcessIdentity {
  readonly parent: number;
  readonly state: string;
}

/**
 * Reads the facts about a process from /proc. Returns `undefined` if the process does not exist.
 */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, state: fields[0] ?? '', parent: Number(fields[1]), startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

/** Whether this process still runs; a zombie does not count. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const facts = readProcess(pid);
  return facts !== undefined && facts.startTime === startTime && facts.state !== 'Z' && facts.state !== 'X';
}

function allProcesses(): ProcessFacts[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])
    .filter(({ state }) => state !== 'Z' && state !== 'X');
}

function hasVariable(pid: number, assignment: string): boolean {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${assignment}\0`);
  } catch {
    return false;
  }
}

/**
 * Returns the processes with `name=value` in their environment, the `known` processes that are
 * still alive, and all descendants of both. Never returns this process.
 */
export function findMarked(name: string, value: string, known: readonly ProcessIdentity[] = []): ProcessIdentity[] {
  const all = allProcesses().filter(({ pid }) => pid !== process.pid);
  const found = new Set(all.filter(({ pid }) => hasVariable(pid, `${name}=${value}`)).map(({ pid }) => pid));
  for (const { pid, startTime } of known)
    if (all.some((each) => each.pid === pid && each.startTime === startTime)) found.add(pid);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const each of all) if (found.has(each.parent)) found.add(each.pid);
  }
  return all.filter(({ pid }) => found.has(pid)).map(({ pid, startTime }) => ({ pid, startTime }));
}

/** Kills the process if it is still alive. */
export function killProcess(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, 'SIGKILL');
  } catch {
    // The process has just ended, or this user may not kill it. The caller checks again.
  }
}

/** Returns the terminal that is the standard input of a child of `parent`. */
export function terminalOf(parent: number): string | undefined {
  for (const { pid } of allProcesses().filter((each) => each.parent === parent)) {
    try {
      const input = readlinkSync(`/proc/${pid}/fd/0`);
      if (input.startsWith('/dev/pts/')) return input;
    } catch {
      // The process has just ended.
    }
  }
  return undefined;
}
