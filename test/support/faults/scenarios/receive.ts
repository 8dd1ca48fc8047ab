import { chmod, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { AgentConnection } from '../../agent/agent-connection.ts';
import { tarOf } from '../../tar.ts';
import type { FaultRig } from '../fault-rig.ts';
import { mustSucceed, type Outcome, outcomeOf, requireThat, type Scenario } from '../scenario.ts';
import { differences, type Snapshot, sameTree, snapshotOf } from '../snapshot.ts';

const MTIME = new Date(1_600_000_000_000);
const BEFORE = { top: 'old top', 'dir/old': 'old', 'dir/both': 'old', 'closed/old': 'old', 'closed/both': 'old' };

export const ARCHIVE: Buffer = await tarOf({
  dir: null,
  'dir/both': { content: 'new', mtime: MTIME },
  'dir/new': { content: 'new', mtime: MTIME },
  closed: { type: 'directory', mode: 0o555, mtime: MTIME },
  'closed/both': { content: 'new', mtime: MTIME },
  'fresh/deep/file': { content: Buffer.alloc(3000, 'x'), mtime: MTIME },
  hard: { type: 'link', linkname: 'dir/new' },
  link: { type: 'symlink', linkname: 'dir/new' },
});

export const OPEN = { id: 'upload', volume: 'v', leaseMs: 60_000 };

export async function fillVolume(rig: FaultRig): Promise<void> {
  for (const [path, content] of Object.entries(BEFORE)) {
    const file = join(dataOf(rig), path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await utimes(file, MTIME, MTIME);
  }
  await chmod(join(dataOf(rig), 'closed'), 0o555);
}

export function dataOf(rig: FaultRig): string {
  return join(rig.state, 'volumes/v/data');
}

/** The volume before the upload, and after a complete one. */
export interface Expected {
  readonly before: Snapshot;
  readonly whole: Snapshot;
}

/** The two permitted trees, from an upload without faults. */
export async function expectedTrees(rig: FaultRig): Promise<Expected> {
  await fillVolume(rig);
  const before = await snapshotOf(dataOf(rig));
  rig.serve();
  const connection = await rig.connect();
  await connection.receive(OPEN, ARCHIVE);
  return { before, whole: await snapshotOf(dataOf(rig)) };
}

async function isDamaged(connection: AgentConnection): Promise<boolean> {
  const sent = await outcomeOf(connection.send({ id: 'look', volume: 'v' }).then(({ result }) => result));
  requireThat(
    sent.kind === 'result' || (sent.kind === 'error' && sent.failure.code === 'VOLUME_DAMAGED'),
    `a download ends, or says that the volume is damaged: ${JSON.stringify(sent)}`,
  );
  return sent.kind === 'error';
}

/** Requests an outcome that the host has not received, as after a lost connection. */
async function requestOutcome(
  connection: AgentConnection,
  reported: Outcome | undefined,
): Promise<Outcome | undefined> {
  return reported?.kind === 'lost' ? outcomeOf(connection.resumeReceive({ ...OPEN, attempt: 2 }, ARCHIVE)) : reported;
}

/**
 * Checks that a volume is unchanged, complete or marked as damaged, as the host's outcome reports.
 */
export async function checkVolume(
  rig: FaultRig,
  expected: Expected,
  reported: Outcome | undefined,
): Promise<Outcome | undefined> {
  const connection = await rig.connect();
  const received = await requestOutcome(connection, reported);
  const damaged = await isDamaged(connection);
  const tree = await snapshotOf(dataOf(rig));
  const untouched = sameTree(tree, expected.before);
  const whole = sameTree(tree, expected.whole);
  requireThat(damaged || untouched || whole, `no half volume is served: ${differences(expected.whole, tree)}`);
  if (received?.kind === 'result')
    requireThat(
      whole && !damaged,
      `RESULT means that all is there: ${damaged ? 'damaged' : differences(expected.whole, tree)}`,
    );
  if (received?.kind === 'error' && received.failure.code !== 'VOLUME_DAMAGED')
    requireThat(
      untouched && !damaged,
      `${received.failure.message} means that nothing has changed: ${differences(expected.before, tree)}`,
    );
  await connection.bye();
  return received;
}

/** Checks that nothing is left after a restart without faults that could be replayed later. */
export async function checkRest(rig: FaultRig): Promise<void> {
  const markers = (await readdir(join(rig.state, 'agent/operations'))).filter((name) => !name.startsWith('.'));
  requireThat(markers.length === 0, `a restart completes what was marked: ${markers.join()}`);
  const staging = await readdir(join(rig.state, 'volumes/v/staging')).catch(() => []);
  requireThat(staging.length === 0, `a restart removes staging: ${staging.join()}`);
}

export function receiveScenario(expected: Expected): Scenario {
  const connections = new WeakMap<FaultRig, AgentConnection>();
  // An outcome is kept until it has been acknowledged.
  const received = new WeakMap<FaultRig, Outcome>();
  return {
    name: 'receive',
    async prepare(rig) {
      await fillVolume(rig);
      rig.serve();
      connections.set(rig, await rig.connect());
    },
    act: (rig) => connections.get(rig)!.receive(OPEN, ARCHIVE),
    async check(rig, reported, fault) {
      if (mustSucceed(fault))
        requireThat(reported.kind === 'result', `${fault.name} changes nothing: ${JSON.stringify(reported)}`);
      const outcome = await checkVolume(rig, expected, received.get(rig) ?? reported);
      if (outcome?.kind === 'result') received.set(rig, outcome);
      if (rig.restarted) await checkRest(rig);
    },
  };
}
