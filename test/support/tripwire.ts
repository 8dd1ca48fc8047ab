import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';

import { until } from './agent/agent-process.ts';

/** The resources of this process: descriptors by target, children, and active resources. */
interface Holdings {
  readonly descriptors: readonly string[];
  readonly children: readonly string[];
  readonly resources: readonly string[];
}

/**
 * Records uncaught exceptions, unhandled rejections, and warnings such as those of accumulating
 * listeners. Detects resources that this process has acquired since `set` and not released.
 */
export class Tripwire {
  readonly #escaped: unknown[] = [];
  readonly #before: Holdings;
  readonly #onEscaped = (reason: unknown): void => void this.#escaped.push(reason);

  private constructor(before: Holdings) {
    this.#before = before;
    process.on('uncaughtExceptionMonitor', this.#onEscaped);
    process.on('unhandledRejection', this.#onEscaped);
    process.on('warning', this.#onEscaped);
  }

  static async set(): Promise<Tripwire> {
    // Node keeps the descriptors that it opens for its first child.
    await once(spawn('true', { stdio: ['ignore', 'ignore', 'pipe'] }), 'close');
    return new Tripwire(await holdings());
  }

  /**
   * Removes its listeners. Rejects if an error escaped, or if more resources are held than before
   * and still are a few seconds later.
   */
  async check(): Promise<void> {
    try {
      await until(
        'this process holds no more than before',
        async () => added(await holdings(), this.#before).length === 0,
      ).catch(async (error: unknown) => {
        throw new Error(`left behind: ${added(await holdings(), this.#before).join(', ')}`, { cause: error });
      });
    } finally {
      process.off('uncaughtExceptionMonitor', this.#onEscaped);
      process.off('unhandledRejection', this.#onEscaped);
      process.off('warning', this.#onEscaped);
    }
    if (this.#escaped.length > 0)
      throw new AggregateError(this.#escaped, `escaped: ${this.#escaped.map(String).join('; ')}`);
  }
}

async function holdings(): Promise<Holdings> {
  const numbers = await readdir('/proc/self/fd');
  const links = await Promise.all(numbers.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  const children = (await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')).split(' ').filter(Boolean);
  // Last, since Mocha's own timer starts late. Requests and immediates come and go with all
  // activity.
  const resources = process.getActiveResourcesInfo().filter((name) => !/Req|Immediate/.test(name));
  return { descriptors: links.filter((link) => link !== ''), children, resources };
}

/** Returns the resources that are held now and were not before. */
function added(now: Holdings, before: Holdings): string[] {
  return (['descriptors', 'children', 'resources'] as const).flatMap((kind) => {
    const left = [...before[kind]];
    return now[kind].filter((thing) => {
      const at = left.indexOf(thing);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
  });
}
