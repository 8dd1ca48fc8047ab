import { sha256 } from '../system/memory-agents.ts';
import { artifactTimeToLiveMs } from '../system/replica.ts';
import type { Snapshot } from '../system/snapshot.ts';
import type { World } from '../system/world.ts';

/** More calls than a system needs that comes to rest. */
const maxCalls = 4_000;
/** More rounds without a call than a system needs that comes to rest. */
const maxIdle = 2_000;

/**
 * Ends all faults, lets every call settle, and sweeps. Then checks that nothing unneeded is left and
 * nothing needed is gone.
 */
export async function bringToRest(world: World): Promise<void> {
  world.setOutage('none');
  for (const index of world.replicas.keys()) await world.resume(index, 0);
  endCommands(world);
  await quiesce(world);
  // Leases have lapsed and hijacks are over, but artifacts have not expired by this time.
  for (let sweep = 0; sweep < 3; sweep += 1) {
    await world.pass(artifactTimeToLiveMs / 4);
    await world.begin(sweep, 'sweep at rest', async (worker) => {
      await worker.reap();
    });
    await quiesce(world);
  }
  world.snapshot = await world.database.snapshot();
  checkNothingLeft(world);
  checkNothingLost(world);
  if (world.violation !== undefined) throw world.violation;
}

function endCommands({ pods }: World): void {
  for (const { processes } of pods.existing)
    for (const process of processes.values()) {
      process.ended = true;
      process.change.notify();
    }
}

/** Lets calls through, and time pass, until no call of a host is open. */
async function quiesce(world: World): Promise<void> {
  const end = world.calls + maxCalls;
  let idle = 0;
  while (world.openCalls.length > 0 || world.gate.ready.length > 0) {
    if (world.calls > end || idle > maxIdle) world.fail(`these calls do not settle: ${world.openCalls.join(', ')}`);
    if (await world.release(0)) continue;
    idle += 1;
    endCommands(world);
    await world.pass(500);
  }
}

function checkNothingLeft(world: World): void {
  const { snapshot, pods, ledger } = world;
  for (const { handle, state, owner } of snapshot.containers) {
    if (state !== 'created') world.fail(`container ${handle} of ${owner} is left ${state}`);
    const insertedAt = ledger.insertedAt.get(handle) ?? 0;
    if (ledger.owner(owner).finishes.some(({ acknowledged, issuedAt }) => acknowledged && issuedAt > insertedAt))
      world.fail(`container ${handle} is left, and its owner ${owner} has finished`);
  }
  for (const { handle, kind, state, dueAt } of snapshot.volumes)
    if (kind === 'artifact' && (state !== 'created' || (dueAt ?? Infinity) < world.database.now))
      world.fail(`volume ${handle} is left ${state}`);
  const uids = podsOfRows(snapshot);
  for (const { name, uid, handle } of pods.existing)
    if (!uids.has(uid) && !uids.has(handle)) world.fail(`pod ${name} (${uid}) is left without a row`);
}

/** The uids of the pods of containers, and the handles of volumes with their own pods. */
function podsOfRows({ containers, volumes }: Snapshot): ReadonlySet<string> {
  return new Set([...containers.map(({ podUid }) => podUid ?? ''), ...volumes.map(({ handle }) => handle)]);
}

function checkNothingLost(world: World): void {
  const { snapshot, pods, ledger } = world;
  const exists = (uid: string | null): boolean => pods.existing.some((pod) => pod.uid === uid);
  for (const [key, { delivered }] of ledger.owners)
    for (const { handle, mayBeFinished } of delivered.values()) {
      if (mayBeFinished) continue;
      const row = snapshot.containers.find((each) => each.handle === handle);
      if (row === undefined) world.fail(`container ${handle} of ${key} is gone`);
      else if (!exists(row.podUid) && !ledger.stolenPods.has(row.podUid ?? ''))
        world.fail(`the pod of container ${handle} of ${key} is gone`);
      checkResults(world, handle);
    }
  for (const [handle, { isExpired, acknowledged, isUncertain }] of ledger.artifacts) {
    const pod = pods.existing.find((each) => each.handle === handle);
    const row = snapshot.volumes.find((each) => each.handle === handle);
    if (isExpired || row === undefined || pod === undefined) continue;
    const content = pod.volumes.get(handle);
    if (!isUncertain && acknowledged !== undefined && (content === undefined || sha256(content) !== acknowledged))
      world.fail(`volume ${handle} has lost its content`);
  }
}

/** A result that a host has received is in the database as long as its container is. */
function checkResults(world: World, handle: string): void {
  const { ledger, snapshot } = world;
  for (const [key, exitStatus] of ledger.results) {
    const [container, process] = key.split(' ');
    if (container !== handle) continue;
    const stored = snapshot.results.find((each) => each.container === container && each.process === process);
    if (stored?.exitStatus !== exitStatus) world.fail(`the result of ${key} is gone`);
  }
}
