import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { FakeArtifact } from '../../../../fakes/index.ts';
import type { Container } from '../../../../src/runtime/container.ts';
import type { PodWorker } from '../../../../src/worker/pod-worker.ts';
import { sha256 } from '../system/memory-agents.ts';
import type { World } from '../system/world.ts';
import { owners, type Step } from './steps.ts';

const kind = 'build-step';

/** The artifact of an input: another worker has it. Each download differs, as that of a new archive. */
function inputOf(world: World): FakeArtifact {
  const artifact = new FakeArtifact({ handle: 'elsewhere', source: 'other' });
  artifact.streamOut.callsFake(async () => Readable.from([Buffer.from(`input at step ${world.step}`)]));
  return artifact;
}

/** Begins a call of a host. */
export async function performCall(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case 'create':
      return await create(world, step.replica, step.owner, step.spec);
    case 'create twice':
      await create(world, 0, step.owner, 0);
      return await create(world, 1, step.owner, 0);
    case 'run':
      return await run(world, step.replica, step.owner, { id: `p${step.process}` });
    case 'hijack':
      return await run(world, step.replica, step.owner, { id: `h${world.step}`, hijack: true });
    case 'take the result':
      return await take(world, step.replica, step.owner, `p${step.process}`);
    case 'finish':
      return await finish(world, step.replica, step.owner, step.final);
    case 'create a volume':
      return await createVolume(world, step.replica);
    case 'stream in':
      return await streamIn(world, step.replica, step.volume, step.content);
    case 'stream out':
      return await streamOut(world, step.replica, step.volume);
    case 'expire':
      return await expire(world, step.replica, step.volume);
    case 'sweep':
      return await world.begin(step.replica, 'sweep', async (worker) => {
        await worker.reap();
      });
    default:
      throw new Error(`no step ${step.do}`);
  }
}

async function create(world: World, replica: number, ownerIndex: number, spec: number): Promise<void> {
  const key = owners[ownerIndex] ?? '';
  await world.begin(replica, `create ${key} ${spec}`, async (worker, id) => {
    const ledger = world.ledger.owner(key);
    const creating = ledger.beginCreate();
    const inputs = [{ artifact: inputOf(world), path: '/in' }];
    const { container } = await worker.findOrCreateContainer(
      { kind, key },
      { image: 'busybox:1', inputs, env: [`SPEC=${spec}`] },
    );
    ledger.deliver(creating, container.handle);
    world.containers.set(`${id} ${key}`, container);
  });
}

/** Returns the container that this host has from before, or else looks for it. */
async function containerOf(world: World, worker: PodWorker, id: string, key: string): Promise<Container | undefined> {
  return world.containers.get(`${id} ${key}`) ?? (await worker.findContainer({ kind, key }));
}

async function run(
  world: World,
  replica: number,
  ownerIndex: number,
  process: { readonly id: string; readonly hijack?: boolean },
): Promise<void> {
  const key = owners[ownerIndex] ?? '';
  await world.begin(replica, `run ${process.id} of ${key}`, async (worker, id) => {
    const container = await containerOf(world, worker, id, key);
    if (container === undefined) return;
    const running = await container.run({ ...process, path: 'make' }, {});
    const { exitStatus } = await running.wait();
    received(world, `${container.handle} ${process.id}`, exitStatus);
  });
}

async function take(world: World, replica: number, ownerIndex: number, processId: string): Promise<void> {
  const key = owners[ownerIndex] ?? '';
  await world.begin(replica, `take the result of ${processId} of ${key}`, async (worker, id) => {
    const container = await containerOf(world, worker, id, key);
    const found = await container?.findProcess(processId);
    if (container === undefined || found?.result === undefined) return;
    if ('exitStatus' in found.result) received(world, `${container.handle} ${processId}`, found.result.exitStatus);
  });
}

/** Every host receives the same result. */
function received(world: World, key: string, exitStatus: number): void {
  const { results } = world.ledger;
  const before = results.get(key);
  if (before !== undefined && before !== exitStatus) world.fail(`process ${key} has two results`);
  results.set(key, exitStatus);
}

async function finish(world: World, replica: number, ownerIndex: number, final: boolean): Promise<void> {
  const key = owners[ownerIndex] ?? '';
  await world.begin(replica, `finish ${key}${final ? ' for good' : ''}`, async (worker) => {
    const finished = world.ledger.owner(key).beginFinish(world.step, final);
    await worker.ownerFinished({ kind, key }, { final });
    finished.acknowledged = true;
  });
}

async function createVolume(world: World, replica: number): Promise<void> {
  await world.begin(replica, 'create a volume', async (worker) => {
    const { volume } = await worker.createVolumeForArtifact('team');
    const content = { acknowledged: undefined, attempted: new Set<string>(), isUncertain: false, isExpired: false };
    world.ledger.artifacts.set(volume.handle, content);
  });
}

/** Selects one of the volumes that hosts have received. */
function volumeOf({ ledger }: World, pick: number): string | undefined {
  const handles = [...ledger.artifacts.keys()];
  return handles[pick % Math.max(1, handles.length)];
}

async function streamIn(world: World, replica: number, pick: number, content: number): Promise<void> {
  const handle = volumeOf(world, pick);
  const ledger = handle === undefined ? undefined : world.ledger.artifacts.get(handle);
  // Two uploads at once have no defined order.
  if (handle === undefined || ledger === undefined || ledger.isUncertain) return;
  await world.begin(replica, `stream ${content} into ${handle}`, async (worker) => {
    const bytes = Buffer.from(`content ${content}`);
    ledger.attempted.add(sha256(bytes));
    ledger.isUncertain = true;
    const volume = await worker.lookupVolume(handle);
    if (volume === undefined) return;
    const { digest } = await volume.streamIn('.', () => Readable.from([bytes]));
    ledger.acknowledged = digest;
    ledger.isUncertain = false;
  });
}

async function streamOut(world: World, replica: number, pick: number): Promise<void> {
  const handle = volumeOf(world, pick);
  const ledger = handle === undefined ? undefined : world.ledger.artifacts.get(handle);
  if (handle === undefined || ledger?.acknowledged === undefined) return;
  await world.begin(replica, `stream out of ${handle}`, async (worker) => {
    const volume = await worker.lookupVolume(handle);
    if (volume === undefined) return;
    const digest = sha256(await buffer(await volume.streamOut('.')));
    if (!ledger.attempted.has(digest)) world.fail(`volume ${handle} sends a content that no host wrote`);
  });
}

async function expire(world: World, replica: number, pick: number): Promise<void> {
  const handle = volumeOf(world, pick);
  const ledger = handle === undefined ? undefined : world.ledger.artifacts.get(handle);
  if (handle === undefined || ledger === undefined) return;
  await world.begin(replica, `expire ${handle}`, async (worker) => {
    ledger.isExpired = true;
    await worker.expireArtifact(handle);
  });
}
