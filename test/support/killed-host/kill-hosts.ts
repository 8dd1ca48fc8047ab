import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { steps } from './build.ts';
import { checkBuild } from './check-build.ts';
import { runHost } from './host-process.ts';
import type { HostWorld } from './order.ts';
import { PodRecorder } from './pod-recorder.ts';
import { sweepAtRest } from './sweep-at-rest.ts';

/** The environment of the hosts. */
export interface KilledHosts extends HostWorld {
  /** The total number of kills, over as many builds as necessary. */
  readonly kills: number;
  /** The latest moment after the start of a host at which it is killed, in milliseconds. */
  readonly latestMs: number;
  /** Chooses the moments. */
  readonly random: () => number;
}

/**
 * Runs builds, kills their hosts at random moments, and checks each build. Returns the number of
 * builds.
 */
export async function killHosts({ kills: maxKills, latestMs, random, ...world }: KilledHosts): Promise<number> {
  let kills = 0;
  let builds = 0;
  for (; kills < maxKills; builds += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'kw-killed-host-'));
    const pods = new PodRecorder(world);
    const build = `build-${builds}`;
    try {
      let isDone = false;
      while (!isDone) {
        isDone = await runHost(
          { ...world, builds: [build], concurrency: 1, folder, leaseMs: 2_000, isRetried: false },
          kills < maxKills ? { afterMs: random() * latestMs, since: 'start' } : undefined,
        );
        if (!isDone) kills += 1;
      }
      await checkBuild(join(folder, build));
      await sweepAtRest(world);
    } finally {
      await pods.stop();
      await rm(folder, { recursive: true });
    }
    // One pod per step: no step was restarted in another pod.
    expect(pods.seen, 'pods of the build').to.have.length(steps.length);
    expect(await pods.list(), 'remaining pods').to.deep.equal([]);
  }
  return builds;
}
