import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { type HostOrder, hostProgram } from './order.ts';

/** When a host is killed. */
export interface Kill {
  readonly afterMs: number;
  /** Whether the time counts from the start of the process, or from its first line of output. */
  readonly since: 'start' | 'open';
  /** Whether it is killed, when the time has come. @defaultValue true */
  readonly isDue?: () => boolean;
}

/** Runs a host. Returns `true` if it exited by itself with 0, `false` if it was killed. */
export async function runHost(order: HostOrder, kill: Kill | undefined): Promise<boolean> {
  const host = spawn(process.execPath, [hostProgram, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(host, 'exit') as Promise<[number | null, string | null]>;
  const exited = new AbortController();
  const { signal } = exited;
  const killing = async ({ afterMs, since, isDue = () => true }: Kill): Promise<void> => {
    if (since === 'open') await once(host.stdout, 'data', { signal });
    await sleep(afterMs, undefined, { signal });
    if (isDue()) host.kill('SIGKILL');
  };
  if (kill !== undefined) killing(kill).catch(() => undefined);
  host.stdout.resume();
  const [status, signalName] = await exit;
  exited.abort();
  if (signalName === 'SIGKILL') return false;
  expect(status, 'exit status of a host').to.equal(0);
  return true;
}
