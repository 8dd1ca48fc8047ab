import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseStatus } from '../memory/peak-memory.ts';

/** What processes of kubectl have cost. */
export interface KubectlCost {
  requests: number;
  watches: number;
  /** Of all processes, until 20 ms before their ends. */
  cpuMs: number;
  /** The sum of the processes' peaks. */
  residentMiB: number;
}

const sampleMs = 20;
/** The kernel's unit of processor time. */
const tickMs = 10;

/** Returns the processor time in the text of `/proc/PID/stat`. */
export function cpuMsOf(stat: string): number {
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) * tickMs;
}

/** Counts a line of kubectl's log at level 6 if it is about a request. */
export function countRequest(line: string, cost: Pick<KubectlCost, 'requests' | 'watches'>): void {
  const url = /"Response" verb="[A-Z]+" url="([^"]*)"/.exec(line)?.[1];
  if (url === undefined) return;
  cost.requests += 1;
  if (url.includes('watch=true')) cost.watches += 1;
}

/** A process of kubectl whose cost is added to `cost`. */
export class MeteredKubectl {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<number | null>;
  readonly #errors: string[] = [];

  constructor(args: readonly string[], cost: KubectlCost, onLine: (line: string) => void = () => undefined) {
    this.#child = spawn('kubectl', ['-v=6', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    const sampling = this.#sample(cost);
    this.#ended = once(this.#child, 'close').then(async ([status]) => {
      await sampling;
      return status as number | null;
    });
    createInterface(this.#child.stdout).on('line', onLine);
    createInterface(this.#child.stderr).on('line', (line) => {
      countRequest(line, cost);
      if (!/^[IW]\d{4} /.test(line)) this.#errors.push(line);
    });
  }

  /** Resolves at its end. Rejects if it fails. */
  async done(input = ''): Promise<void> {
    this.#child.stdin.end(input);
    const status = await this.#ended;
    if (status !== 0) throw new Error(`kubectl ended with status ${String(status)}: ${this.#errors.join('; ')}`);
  }

  /** Ends a watch. Resolves when the process has ended. */
  async stop(): Promise<void> {
    this.#child.kill();
    await this.#ended;
  }

  async #sample(cost: KubectlCost): Promise<void> {
    const { pid } = this.#child;
    let [cpuMs, residentMiB] = [0, 0];
    while (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      try {
        cpuMs = cpuMsOf(await readFile(`/proc/${String(pid)}/stat`, 'utf8'));
        residentMiB = parseStatus(await readFile(`/proc/${String(pid)}/status`, 'utf8')).peakResident;
      } catch {
        // The process has ended meanwhile.
      }
      await sleep(sampleMs);
    }
    cost.cpuMs += cpuMs;
    cost.residentMiB += residentMiB;
  }
}
