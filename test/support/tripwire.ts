import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';

import { until } from './agent-process.ts';

/** What this process holds: descriptors by what they are of, its children, whatever keeps it alive. */
interface Holdings {
  readonly descriptors: readonly string[];
  readonly children: readonly string[];
  readonly resources: readonly string[];
}

/**
 * Hears what escapes from promises and event handlers, and warnings of listeners that add up; and tells whether this process still holds more than when it was set.
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
    // Node keeps what the first child of all makes it open.
    await once(spawn('true', { stdio: ['ignore', 'ignore', 'pipe'] }), 'close');
    return new Tripwire(await holdings());
  }

  /** Lets go of its own listeners. Rejects where something escaped, or where more is held than before, and still is a few seconds later. */
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
  // Last, since Mocha's own timer starts late; requests and immediates come and go with everything that is done.
  const resources = process.getActiveResourcesInfo().filter((name) => !/Req|Immediate/.test(name));
  return { descriptors: links.filter((link) => link !== ''), children, resources };
}

/** What is held now and was not before. */
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
