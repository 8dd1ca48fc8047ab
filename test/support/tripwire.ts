import { readdir, readFile, readlink } from 'node:fs/promises';

import { until } from './agent-process.ts';

/** What this process holds: descriptors, whatever keeps it alive, children. */
interface Holdings {
  readonly descriptors: number;
  readonly children: number;
  readonly resources: ReadonlyMap<string, number>;
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
    return new Tripwire(await holdings());
  }

  /** Lets go of its own listeners. Rejects where something escaped, or where more is held than before, and still is a few seconds later. */
  async check(): Promise<void> {
    try {
      await until('this process holds no more than before', async () => this.#isNoMore(await holdings())).catch(async (error: unknown) => {
        throw new Error(`left behind: ${await this.#describe()}`, { cause: error });
      });
    } finally {
      process.off('uncaughtExceptionMonitor', this.#onEscaped);
      process.off('unhandledRejection', this.#onEscaped);
      process.off('warning', this.#onEscaped);
    }
    if (this.#escaped.length > 0) throw new AggregateError(this.#escaped, `escaped: ${this.#escaped.map(String).join('; ')}`);
  }

  #isNoMore(now: Holdings): boolean {
    const before = this.#before;
    const isMore = [...now.resources].some(([type, count]) => count > (before.resources.get(type) ?? 0));
    return now.descriptors <= before.descriptors && now.children <= before.children && !isMore;
  }

  async #describe(): Promise<string> {
    const { descriptors, children, resources } = await holdings();
    const links = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    const before = JSON.stringify([...this.#before.resources]);
    return `${descriptors} descriptors (${this.#before.descriptors} before): ${links.join(' ')}; ${children} children (${this.#before.children}); ${JSON.stringify([...resources])} (${before})`;
  }
}

async function holdings(): Promise<Holdings> {
  const descriptors = (await readdir('/proc/self/fd')).length;
  const children = (await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')).split(' ').filter(Boolean).length;
  const resources = new Map<string, number>();
  // Last, since Mocha's own timer starts late; requests and immediates come and go with everything that is done.
  for (const type of process.getActiveResourcesInfo().filter((name) => !/Req|Immediate/.test(name)))
    resources.set(type, (resources.get(type) ?? 0) + 1);
  return { descriptors, children, resources };
}
