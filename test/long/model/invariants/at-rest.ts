import { report } from '../commands/host-calls.ts';
import type { ContentLedger } from '../state/ledger.ts';
import { longMs } from '../system/replica.ts';
import { sha256 } from '../system/sha256.ts';
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
  for (const index of world.replicas.keys()) await report(world, index);
  await quiesce(world);
  // Leases, hijacks, incomplete copies and unused archives are over by this time.
  for (let sweep = 0; sweep < 3; sweep += 1) await sweepAfter(world, sweep, { ms: 16 * 60_000 });
  // Keys without an archive are left alone for up to two days.
  await sweepAfter(world, 0, { ms: 3 * 24 * 3_600_000, sweepStores: true });
  world.snapshot = await world.database.snapshot();
  checkRowsLeft(world);
  checkArchivesLeft(world);
  checkObjectsLeft(world);
  checkNothingLost(world);
  if (world.violation !== undefined) throw world.violation;
}

async function sweepAfter(
  world: World,
  replica: number,
  { ms, sweepStores }: { readonly ms: number; readonly sweepStores?: boolean },
): Promise<void> {
  await world.pass(ms);
  await world.begin(replica, 'sweep at rest', async (worker) => {
    await worker.reap({ sweepStores });
  });
  await quiesce(world);
}

function endCommands(world: World): void {
  for (const pod of world.pods.existing) for (const process of pod.processes.values()) world.end(pod, process);
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

/** Checks that each row is needed. */
export function checkRowsLeft(world: World): void {
  const { snapshot, ledger } = world;
  for (const { handle, state, owner } of snapshot.containers) {
    if (state !== 'created') world.fail(`container ${handle} of ${owner} is left ${state}`);
    const insertedAt = ledger.insertedAt.get(handle) ?? 0;
    if (ledger.owner(owner).finishes.some(({ acknowledged, issuedAt }) => acknowledged && issuedAt > insertedAt))
      world.fail(`container ${handle} is left, and its owner ${owner} has finished`);
  }
  for (const { handle, kind, state, dueAt } of snapshot.volumes)
    if (kind === 'artifact' && (state !== 'created' || (dueAt ?? Infinity) < world.database.now))
      world.fail(`volume ${handle} is left ${state}`);
  for (const { stream, volume } of snapshot.streams) world.fail(`stream ${stream} of volume ${volume} is left`);
}

function checkObjectsLeft(world: World): void {
  const { snapshot, pods } = world;
  if (world.configMaps.names.includes(world.configMaps.oldName)) world.fail('the config map of an old agent is left');
  if (world.configMaps.names.length !== 1) world.fail('the config map of the agent is gone');
  const uids = podsOfRows(snapshot);
  for (const { name, uid, handle } of pods.existing)
    if (!uids.has(uid) && !uids.has(handle)) world.fail(`pod ${name} (${uid}) is left without a row`);
}

/** The store has the archives that volumes refer to, and no other. */
export function checkArchivesLeft(world: World): void {
  const { snapshot, store } = world;
  const referred = new Set(snapshot.volumes.map(({ archive }) => archive));
  for (const { id, state } of snapshot.archives)
    if (state !== 'ready' || !referred.has(id)) world.fail(`archive ${id} is left ${state}`);
  const keys = new Set(snapshot.archives.map(({ key }) => key));
  for (const key of store.archives.keys()) if (!keys.has(key)) world.fail(`key ${key} is left without an archive`);
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
  checkArtifactRows(world);
  for (const [handle, content] of ledger.artifacts) checkArtifact(world, handle, content);
}

/** The row of an artifact that hosts have received exists, unless it was expired or replaced as a cache. */
export function checkArtifactRows(world: World): void {
  const { snapshot, ledger, setting } = world;
  if (setting.artifactTimeToLiveMs < longMs) return;
  const handles = new Set(snapshot.volumes.map(({ handle }) => handle));
  for (const [handle, { isExpired, wasCache }] of ledger.artifacts)
    if (!isExpired && !wasCache && !handles.has(handle)) world.fail(`volume ${handle} is gone`);
}

/** An artifact with a row has its pod, unless another client has deleted it, and its content. */
function checkArtifact(world: World, handle: string, { isExpired, isUncertain, acknowledged }: ContentLedger): void {
  const { snapshot, pods, ledger } = world;
  const row = snapshot.volumes.find((each) => each.handle === handle);
  if (isExpired || row === undefined || row.archive !== null || !row.hasPlace) return;
  const pod = pods.existing.find((each) => each.handle === handle);
  if (pod === undefined) {
    const uid = pods.all.findLast((each) => each.handle === handle)?.uid ?? '';
    if (!ledger.stolenPods.has(uid)) world.fail(`the pod of volume ${handle} is gone`);
    return;
  }
  const content = pod.volumes.get(handle);
  if (!isUncertain && acknowledged !== undefined && (content === undefined || sha256(content) !== acknowledged))
    world.fail(`volume ${handle} has lost its content`);
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
