import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import type { Container, Worker } from '../../../src/index.ts';
import { sh } from '../../contract/worker/setup.ts';
import { mountPath } from './input.ts';

/** The environment of the hosts. */
export interface StoppedHosts {
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly workerName: string;
  readonly image: string;
  /** A worker of this name, to inspect the containers. */
  readonly worker: Worker;
  /** Expires all leases by the database's clock. */
  readonly lapseLeases: () => Promise<unknown>;
}

/** When a host is suspended, and how its clock behaves meanwhile. */
export interface Stop {
  readonly at: 'halfway' | number;
  /**
   * `stands`: the clock of a suspended machine, so that the host does not notice that its lease has
   * expired.
   */
  readonly clock: 'runs' | 'stands';
}

const program = fileURLToPath(new URL('./host.ts', import.meta.url));
/** Prints the distinct contents of the input files. */
const marks = `cat ${mountPath}/mark-* | sort -u`;

/**
 * Suspends a host while it creates a container, lets another host take over, complete the container
 * and work in it, and resumes the first one. Suspends it in the middle of its input, or some time
 * after its start. No file of the second host may change.
 */
export async function stopHost(world: StoppedHosts, round: string, { at, clock }: Stop): Promise<void> {
  const first = new Host(world, round, 'first', clock === 'runs' ? 1_000 : 600_000);
  const second = new Host(world, round, 'second', 60_000);
  try {
    await Promise.all([first.reported('open'), second.reported('open')]);
    first.permit();
    await (at === 'halfway' ? first.reported('halfway') : sleep(at));
    first.signal('SIGSTOP');
    if (clock === 'stands') await world.lapseLeases();
    // The rest of its input is available as soon as it continues.
    first.permit();
    second.permit();
    second.permit();
    const container = await find(world, await second.reported('handle'));
    const before = (await sh(container, marks)).stdout;
    expect(before, 'the files are of one host').to.be.oneOf(['first\n', 'second\n']);
    await sh(container, `for file in ${mountPath}/mark-*; do echo changed > "$file"; done`);
    first.signal('SIGCONT');
    expect(await first.reported('handle'), 'the first host finds the same container').to.equal(container.handle);
    await Promise.all([first.ended(), second.ended()]);
    expect((await sh(container, marks)).stdout, 'the files after the first host has ended').to.equal('changed\n');
  } finally {
    first.kill();
    second.kill();
    await world.worker.ownerFinished({ kind: 'build-step', key: round });
    await world.worker.reap();
  }
}

async function find({ worker }: StoppedHosts, handle: string): Promise<Container> {
  const container = await worker.lookupContainer(handle);
  if (container === undefined) throw new Error('the container does not exist');
  return container;
}

/** One host program and its reports. */
class Host {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #exit: Promise<unknown>;
  readonly #reports: Record<string, string> = {};
  #change = Promise.withResolvers<void>();
  #isOver = false;

  constructor(
    { kubeconfigPath, namespace, databaseUrl, workerName, image }: StoppedHosts,
    key: string,
    mark: string,
    leaseMs: number,
  ) {
    const args = [program, kubeconfigPath, namespace, databaseUrl, workerName, image, key, mark, String(leaseMs)];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {});
    this.#exit = once(this.#child, 'close').then(() => {
      this.#isOver = true;
      this.#notify();
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      for (const [event, value] of Object.entries(JSON.parse(line) as object)) this.#reports[event] = String(value);
      this.#notify();
    });
  }

  /** Resolves with the reported value of an event. Rejects if the host has ended. */
  async reported(event: string): Promise<string> {
    for (;;) {
      const value = this.#reports[event];
      if (value !== undefined) return value;
      if (this.#isOver || this.#reports['error'] !== undefined)
        throw new Error(`the host ended: ${this.#reports['error'] ?? 'without a report'}`);
      await this.#change.promise;
    }
  }

  /** Starts the host; the second call ends its input. */
  permit(): void {
    this.#child.stdin.write('\n');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async ended(): Promise<void> {
    await this.#exit;
  }

  #notify(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }
}
