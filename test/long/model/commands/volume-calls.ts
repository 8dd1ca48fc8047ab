import { Readable } from 'node:stream';

import type { ContentLedger } from '../state/ledger.ts';
import { sha256 } from '../system/sha256.ts';
import type { World } from '../system/world.ts';
import type { Step } from './steps.ts';

/** Begins a call of a host on a volume. Returns `false` for another step. */
export async function performVolumeCall(world: World, step: Step): Promise<boolean> {
  switch (step.do) {
    case 'create a volume':
      await createVolume(world, step.replica);
      return true;
    case 'copy a volume':
      await copyVolume(world, step.replica, step.volume, step.store);
      return true;
    case 'stream in':
      await streamIn(world, step.replica, step.volume, step.content);
      return true;
    case 'stream out':
      await streamOut(world, step.replica, volumeOf(world, step.volume));
      return true;
    case 'expire':
      await expire(world, step.replica, artifactOf(world, step.volume)?.[0]);
      return true;
    default:
      return false;
  }
}

/** Selects a volume that hosts know: an artifact, or one of a container. */
export function volumeOf({ ledger, snapshot }: World, pick: number): string | undefined {
  const made = snapshot.volumes.filter(({ kind, state }) => kind !== 'artifact' && state === 'created');
  const handles = [...ledger.artifacts.keys(), ...made.map(({ handle }) => handle)];
  return handles[pick % Math.max(1, handles.length)];
}

/** Selects an artifact that hosts have received. */
export function artifactOf({ ledger }: World, pick: number): readonly [string, ContentLedger] | undefined {
  const artifacts = [...ledger.artifacts];
  return artifacts[pick % Math.max(1, artifacts.length)];
}

async function createVolume(world: World, replica: number): Promise<void> {
  await world.begin(replica, 'create a volume', async (worker) => {
    const { volume } = await worker.createVolumeForArtifact('team');
    receive(world, volume.handle, { attempted: new Set(), isUncertain: false });
  });
}

function receive({ ledger }: World, handle: string, content: Pick<ContentLedger, 'attempted' | 'isUncertain'>): void {
  ledger.artifacts.set(handle, { ...content, acknowledged: undefined, isExpired: false, wasCache: false });
}

async function copyVolume(world: World, replica: number, pick: number, given: 'pod' | 'store'): Promise<void> {
  const handle = volumeOf(world, pick);
  if (handle === undefined) return;
  const store = world.setting.hasStore ? given : 'pod';
  await world.begin(replica, `copy ${handle} to a ${store}`, async (worker) => {
    const source = await worker.lookupVolume(handle);
    if (source === undefined) return;
    const { volume } = await worker.createArtifact(source, { store });
    receive(world, volume.handle, { attempted: undefined, isUncertain: true });
  });
}

async function streamIn(world: World, replica: number, pick: number, content: number): Promise<void> {
  const [handle, ledger] = artifactOf(world, pick) ?? [];
  // Two uploads at once have no defined order. The content of a copy stays.
  if (handle === undefined || ledger?.attempted === undefined || ledger.isUncertain) return;
  const { attempted } = ledger;
  await world.begin(replica, `stream ${content} into ${handle}`, async (worker) => {
    ledger.isUncertain = true;
    const bytes = await world.archive(`content ${content}`);
    attempted.add(sha256(bytes));
    const volume = await worker.lookupVolume(handle);
    if (volume === undefined) return;
    const { digest } = await volume.streamIn('.', () => Readable.from([bytes]));
    ledger.acknowledged = digest;
    ledger.isUncertain = false;
  });
}

/** Reads a volume to its end. It stays open until its bytes have arrived. */
export async function streamOut(world: World, replica: number, handle: string | undefined): Promise<void> {
  if (handle === undefined) return;
  await world.begin(replica, `stream out of ${handle}`, async (worker) => {
    const volume = await worker.lookupVolume(handle);
    if (volume === undefined) return;
    await world.read(await volume.streamOut('.'), `volume ${handle}`);
  });
}

export async function expire(world: World, replica: number, handle: string | undefined): Promise<void> {
  const ledger = world.ledger.artifacts.get(handle ?? '');
  if (handle === undefined || ledger === undefined) return;
  await world.begin(replica, `expire ${handle}`, async (worker) => {
    ledger.isExpired = true;
    await worker.expireArtifact(handle);
  });
}
