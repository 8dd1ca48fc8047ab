import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { runHost } from './host-process.ts';
import { type HostOrder, outcomeFile } from './order.ts';

/** Builds whose hosts are killed, and that outlast outages. */
export interface BuildsWithOutages {
  readonly order: HostOrder;
  /** Each begins and ends an outage. They are spread evenly over the builds. */
  readonly outages: readonly (() => Promise<void>)[];
  /**
   * The shortest and the longest life of a host that has opened its worker, in milliseconds. A life is
   * longer by a fifth for each host since which no build has ended.
   */
  readonly lifeMs: readonly [number, number];
  readonly random: () => number;
}

/**
 * Runs the builds until all have ended, while their hosts are killed one after the other and the
 * outages occur. Returns the number of kills.
 */
export async function runWithOutages({ order, outages, lifeMs, random }: BuildsWithOutages): Promise<number> {
  const ended = (): number => order.builds.filter((build) => existsSync(join(order.folder, build, outcomeFile))).length;
  const isRunning = (): boolean => ended() < order.builds.length;
  const stop = new AbortController();
  const killing = async (): Promise<number> => {
    const [shortest, longest] = lifeMs;
    let [stretch, before] = [1, 0];
    for (let kills = 0; ; kills += 1) {
      stop.signal.throwIfAborted();
      const afterMs = stretch * (shortest + random() * (longest - shortest));
      if (await runHost(order, { afterMs, since: 'open', isDue: isRunning })) return kills;
      // On a busy machine a short life is not enough for any step.
      stretch = ended() > before ? 1 : stretch * 1.2;
      before = ended();
    }
  };
  const failing = async (): Promise<void> => {
    for (const [index, outage] of outages.entries()) {
      const due = ((index + 1) * order.builds.length) / (outages.length + 1);
      while (ended() < due) await sleep(100, undefined, { signal: stop.signal });
      await outage();
    }
  };
  const outage = failing();
  // Without its end, the hosts would retry for ever.
  outage.catch((error: unknown) => stop.abort(error));
  try {
    const kills = await killing();
    await outage;
    return kills;
  } finally {
    stop.abort();
  }
}
