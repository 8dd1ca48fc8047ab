import { isIdOf } from '../system/incarnation-ids.ts';
import type { ContainerState, Snapshot, VolumeState } from '../system/snapshot.ts';
import type { World } from '../system/world.ts';
import { checkCaches } from './caches.ts';
import { noteLapses, openStreamOf } from './streams.ts';

/** Checks every change that one statement of `caller` made. */
export function checkMoves(world: World, before: Snapshot, caller: string): void {
  const { snapshot: after, ledger } = world;
  noteLapses(world, before);
  checkOwners(world);
  checkCaches(world, before, caller);
  const now = new Map(after.containers.map((row) => [row.handle, row]));
  const then = new Map(before.containers.map((row) => [row.handle, row]));
  for (const row of before.containers) checkContainer(world, before, row, now.get(row.handle), caller);
  for (const row of after.containers) {
    if (then.has(row.handle)) continue;
    ledger.insertedAt.set(row.handle, world.step);
    if (row.state !== 'creating') world.fail(`container ${row.handle} is inserted as ${row.state}`);
  }
  const volumes = new Map(after.volumes.map((row) => [row.handle, row]));
  for (const row of before.volumes)
    if (row.kind === 'artifact') checkArtifact(world, before, row, volumes.get(row.handle), caller);
  checkResults(world, before);
}

/** An owner has one live row, and no created one after it has finished for good. */
function checkOwners(world: World): void {
  const { snapshot, ledger } = world;
  const live = new Set<string>();
  for (const { owner, state, handle } of snapshot.containers) {
    if (state !== 'creating' && state !== 'created') continue;
    if (live.has(owner)) world.fail(`owner ${owner} has two live containers`);
    live.add(owner);
    const isOver = ledger.owner(owner).finishes.some(({ final, acknowledged }) => final && acknowledged);
    if (isOver && state === 'created')
      world.fail(`container ${handle} is created, and its owner has finished for good`);
  }
}

function checkContainer(
  world: World,
  before: Snapshot,
  from: ContainerState,
  to: ContainerState | undefined,
  caller: string,
): void {
  const { handle, holder } = from;
  noteMark(world, from, to);
  const fail = (what: string): void => world.fail(`${caller}: container ${handle} ${what}`);
  if (to === undefined) {
    if (from.state !== 'destroying') fail(`is deleted while it is ${from.state}`);
    checkUnused(world, before, handle, fail);
    return;
  }
  const isHolder = holder !== null && isIdOf(caller, holder);
  const mayFinish = world.ledger.owner(from.owner).finishes.length > 0;
  if (from.podUid !== to.podUid) {
    if (from.podUid !== null) fail(`changes its pod from ${from.podUid} to ${to.podUid ?? 'none'}`);
    else if (!isHolder) fail(`gets a pod from another holder than ${holder ?? 'none'}`);
  }
  if (from.state === to.state) {
    if (holder !== null && holder !== to.holder) {
      if (to.holder === null ? !isHolder : !hasLapsed(world, from)) fail(`loses its holder ${holder}`);
    }
    return;
  }
  const move = `${from.state} to ${to.state}`;
  switch (move) {
    case 'creating to created':
    case 'creating to failed':
      if (!isHolder) fail(`moves from ${move} without its holder ${holder ?? 'none'}`);
      break;
    case 'creating to destroying':
      if (!mayFinish && !hasLapsed(world, from)) fail(`moves from ${move} during its lease`);
      break;
    case 'created to destroying':
      if (!mayFinish) fail(`moves from ${move}, and its owner has not finished`);
      break;
    case 'created to kept':
      if (!world.ledger.owner(from.owner).finishes.some(({ keeps }) => keeps)) fail('is kept without a request');
      break;
    case 'kept to destroying':
      if ((from.keepUntil ?? Infinity) > world.database.now) fail(`moves from ${move} too early`);
      break;
    case 'failed to destroying':
      break;
    default:
      fail(`moves from ${move}`);
  }
}

function hasLapsed({ database }: World, { leaseUntil }: ContainerState): boolean {
  return (leaseUntil ?? Infinity) < database.now;
}

function checkArtifact(
  world: World,
  before: Snapshot,
  from: VolumeState,
  to: VolumeState | undefined,
  caller: string,
): void {
  noteMark(world, from, to);
  const fail = (what: string): void => world.fail(`${caller}: volume ${from.handle} ${what}`);
  if (to === undefined) {
    if (from.state !== 'destroying') fail(`is deleted while it is ${from.state}`);
    checkUnused(world, before, from.handle, fail);
    return;
  }
  const ledger = world.ledger.artifacts.get(from.handle);
  const isCache = before.caches.some(({ volume }) => volume === from.handle);
  // A volume that no host has received expires with the call that creates it.
  const mayEnd = isCache || (from.dueAt ?? Infinity) < world.database.now || ledger === undefined || ledger.isExpired;
  if (from.state === 'created' && to.state !== 'created' && !(to.state === 'destroying' && mayEnd))
    fail(`moves from created to ${to.state}`);
  if (from.state === 'destroying' && to.state !== 'destroying') fail(`moves from destroying to ${to.state}`);
}

function noteMark(
  { ledger, step }: World,
  { handle, state }: { readonly handle: string; readonly state: string },
  to: { readonly state: string } | undefined,
): void {
  if (state !== 'destroying' && to?.state === 'destroying') ledger.markedAt.set(handle, step);
}

/** A row is deleted only after its pod, and not during a stream. */
function checkUnused(world: World, before: Snapshot, handle: string, fail: (what: string) => void): void {
  const stream = openStreamOf(world, handle, before);
  if (stream !== undefined) fail(`is deleted during the stream ${stream}`);
  checkAbsence(world, handle, fail);
}

/**
 * A row is deleted only if its pod was seen not to exist, after every pod of its handle was created.
 * A creation that takes effect after the row was marked is an exception: its caller, or the search for
 * pods without a row, deletes the pod, so that none is left at rest.
 */
function checkAbsence({ pods, ledger }: World, handle: string, fail: (what: string) => void): void {
  const markedAt = ledger.markedAt.get(handle) ?? Infinity;
  for (const { name, uid, createdAt, handle: owner } of pods.existing) {
    if (owner !== handle || createdAt > markedAt) continue;
    const absentAt = pods.absentAt.get(name) ?? -1;
    if (absentAt < createdAt) fail(`is deleted, and its pod ${uid} exists`);
  }
}

/** A result is that of the command that ran, and never changes. */
function checkResults(world: World, before: Snapshot): void {
  const { snapshot, pods, ledger } = world;
  const live = new Set(snapshot.containers.map(({ handle }) => handle));
  const key = (result: { container: string; process: string }): string => `${result.container} ${result.process}`;
  const results = new Map(snapshot.results.map((result) => [key(result), result.exitStatus]));
  for (const result of before.results)
    if (live.has(result.container) && results.get(key(result)) !== result.exitStatus)
      world.fail(`the result of ${key(result)} changes from ${result.exitStatus}`);
  if (!world.platform.seesPods) return;
  for (const { container, process, exitStatus } of snapshot.results) {
    const uid = ledger.starts.get(`${container} ${process}`);
    const pod = pods.all.find((each) => each.uid === uid);
    if (pod?.processes.get(process)?.exitStatus !== exitStatus)
      world.fail(`${container} ${process} has the result ${exitStatus}, which no command had`);
  }
}
