import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { EmbeddedCluster } from '../../../../src/embedded/index.ts';
import { ClientNodeCluster } from '../../../../src/kubernetes/api/client-node-cluster.ts';
import { handleOf } from '../../../../src/kubernetes/pod-spec/labels.ts';
import { agentSelector } from '../../../../src/pods/agent-config-map.ts';
import { owners } from '../commands/steps.ts';
import { longMs } from '../system/replica.ts';
import type { World } from '../system/world.ts';
import { checkArchivesLeft, checkArtifactRows, checkRowsLeft } from './at-rest.ts';

/** More than a call takes that settles, in milliseconds. */
const longestCallMs = 120_000;

/**
 * Lets every call settle, and sweeps: only what is still needed is left, and all of it. Then ends
 * everything: nothing at all is left.
 */
export async function bringEmbeddedToRest(world: World, cluster: EmbeddedCluster): Promise<void> {
  const api = await ClientNodeCluster.fromConfig({ kubeConfig: cluster.kubeconfigPath, namespace: 'default' });
  await quiesce(world);
  for (let sweep = 0; sweep < 3; sweep += 1) await sweepAfter(world, sweep, 16 * 60_000);
  await checkSome(world, api, cluster);
  await endAll(world);
  for (let sweep = 0; sweep < 3; sweep += 1) await sweepAfter(world, sweep, 2 * longMs);
  await checkNone(world, api, cluster);
}

/** Waits until no call of a host is open. */
async function quiesce(world: World): Promise<void> {
  const until = performance.now() + longestCallMs;
  while (world.openCalls.length > 0 && performance.now() < until) await sleep(50);
  if (world.openCalls.length > 0) world.fail(`these calls do not settle: ${world.openCalls.join(', ')}`);
  await throwViolation(world);
}

async function sweepAfter(world: World, replica: number, ms: number): Promise<void> {
  await world.pass(ms);
  await world.begin(replica, 'sweep at rest', async (worker) => {
    await worker.reap({ sweepStores: true });
  });
  await quiesce(world);
}

async function endAll(world: World): Promise<void> {
  await world.begin(0, 'end all', async (worker) => {
    for (const key of owners) {
      world.ledger.owner(key).beginFinish(world.step, { final: false, keeps: false });
      await worker.ownerFinished({ kind: 'build-step', key });
    }
    for (const [handle, ledger] of world.ledger.artifacts) {
      ledger.isExpired = true;
      await worker.expireArtifact(handle);
    }
  });
  await quiesce(world);
}

/** Checks what is still needed, and that there is nothing else. */
async function checkSome(world: World, api: ClientNodeCluster, cluster: EmbeddedCluster): Promise<void> {
  world.snapshot = await world.database.snapshot();
  checkRowsLeft(world);
  checkArchivesLeft(world);
  checkArtifactRows(world);
  const { containers, volumes } = world.snapshot;
  const pods = await api.listPodMetadata();
  const uids = new Set(pods.map(({ uid }) => uid));
  const handles = new Set([...containers, ...volumes].map(({ handle }) => handle));
  for (const metadata of pods)
    if (!handles.has(handleOf(metadata) ?? '')) world.fail(`pod ${metadata.name} is left without a row`);
  for (const [key, { delivered }] of world.ledger.owners)
    for (const { handle, mayBeFinished } of delivered.values()) {
      const uid = containers.find((each) => each.handle === handle)?.podUid ?? '';
      if (!mayBeFinished && !uids.has(uid)) world.fail(`the pod of container ${handle} of ${key} is gone`);
    }
  for (const staged of await stagedIn(cluster, uids)) world.fail(`${staged} is left in a staging folder`);
  await checkConfigMaps(world, api);
  await throwViolation(world);
}

async function checkNone(world: World, api: ClientNodeCluster, cluster: EmbeddedCluster): Promise<void> {
  const { containers, volumes, archives, caches, streams } = (world.snapshot = await world.database.snapshot());
  for (const [what, { length }] of Object.entries({ containers, volumes, archives, caches, streams }))
    if (length > 0) world.fail(`${length} ${what} are left at the end`);
  for (const { name } of await api.listPodMetadata()) world.fail(`pod ${name} is left at the end`);
  for (const key of world.store.archives.keys()) world.fail(`key ${key} is left at the end`);
  // The folders of a pod are deleted after the pod.
  const until = performance.now() + longestCallMs;
  while ((await podFolders(cluster)).length > 0 && performance.now() < until) await sleep(100);
  for (const folder of await podFolders(cluster)) world.fail(`the folder of pod ${folder} is left at the end`);
  await checkConfigMaps(world, api);
  await throwViolation(world);
}

async function checkConfigMaps(world: World, api: ClientNodeCluster): Promise<void> {
  const { length } = (await api.listConfigMaps(agentSelector))?.configMaps ?? [];
  if (length !== 1) world.fail(`the agent has ${length} config maps`);
}

async function podFolders({ directory }: EmbeddedCluster): Promise<readonly string[]> {
  return await readdir(join(directory, 'pods')).catch(() => []);
}

/** Returns what the agents of these pods have staged for uploads. */
async function stagedIn({ directory }: EmbeddedCluster, uids: ReadonlySet<string>): Promise<readonly string[]> {
  const staged: string[] = [];
  for (const uid of uids) {
    const paths = await readdir(join(directory, 'pods', uid, 'volumes'), { recursive: true }).catch(() => []);
    staged.push(...paths.filter((path) => /\/staging\/[^/]+$/.test(path)).map((path) => `${uid}/${path}`));
  }
  return staged;
}

async function throwViolation({ violation }: World): Promise<void> {
  if (violation !== undefined) throw violation;
}
