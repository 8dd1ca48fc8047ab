import { Readable } from 'node:stream';

import { FakeArtifact } from '../../../../fakes/index.ts';
import type { Container } from '../../../../src/runtime/container.ts';
import type { PodWorker } from '../../../../src/worker/pod-worker.ts';
import type { World } from '../system/world.ts';
import { cachePath, performCacheCall, taskStep } from './cache-calls.ts';
import { type Finishing, owners, type Step } from './steps.ts';
import { performVolumeCall } from './volume-calls.ts';

const kind = 'build-step';
/** How long a container is kept that its host wants to inspect. */
const keepForMs = 20_000;

/** The artifact of an input: another worker has it. Each download differs, as that of a new archive. */
function inputOf(world: World): FakeArtifact {
  const artifact = new FakeArtifact({ handle: 'elsewhere', source: 'other' });
  artifact.streamOut.callsFake(async () => Readable.from([await world.archive(`input at step ${world.step}`)]));
  return artifact;
}

/** Begins a call of a host. */
export async function performCall(world: World, step: Step): Promise<void> {
  if ((await performVolumeCall(world, step)) || (await performCacheCall(world, step))) return;
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
      return await finish(world, step.replica, step.owner, step.how);
    case 'report':
      return await report(world, step.replica, step.expiresInMs);
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
      {
        image: 'busybox:1',
        inputs,
        outputs: { made: '/made' },
        caches: [cachePath],
        taskCache: taskStep,
        env: [`SPEC=${spec}`],
      },
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
    const text = `made by ${process.id}`;
    world.ledger.texts.add(text);
    const running = await container.run({ ...process, ...world.platform.command(text) }, {});
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

async function finish(world: World, replica: number, ownerIndex: number, how: Finishing): Promise<void> {
  const key = owners[ownerIndex] ?? '';
  const [final, keeps] = [how === 'for good', how === 'keeping'];
  await world.begin(replica, `finish ${key} ${how}`, async (worker) => {
    const finished = world.ledger.owner(key).beginFinish(world.step, { final, keeps });
    await worker.ownerFinished({ kind, key }, { final, ...(keeps ? { keepForMs } : {}) });
    finished.acknowledged = true;
  });
}

/** Sends a heartbeat with the number of active containers and volumes. */
export async function report(world: World, replica: number, expiresInMs?: number): Promise<void> {
  await world.begin(replica, 'report', async (worker) => {
    await worker.heartbeat({ expiresInMs });
  });
}
