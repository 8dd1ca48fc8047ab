import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { KubernetesWorker } from 'kubernetes-worker';
import { type DemoCluster, openCluster } from './cluster.ts';
import { DemoConsole } from './console.ts';
import { type DemoDatabase, openDatabase } from './database.ts';
import { type DemoOptions, parseOptions, UsageError, usage } from './options.ts';
import { type DemoTraces, runPipeline } from './pipeline.ts';

const sourceFolder = fileURLToPath(new URL('../../src', import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  const interrupt = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => interrupt.abort(new Error(`interrupted by ${signal}`));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return (await runDemo(options, interrupt.signal)) ? 0 : 1;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const console = new DemoConsole(process.stdout);
  const startedAt = performance.now();
  console.step(
    'start',
    options.kubeconfig === undefined ? 'the embedded cluster' : `the cluster of ${options.kubeconfig}`,
  );
  await using cluster = await openCluster(options);
  await using database = await openDatabase(options.database);
  console.fact('cluster', cluster.description);
  console.fact('database', database.description);
  const settings = {
    name: 'demo',
    kubeConfig: cluster.kubeconfigPath,
    namespace: options.namespace,
    database: database.handle,
    volumeImage: options.image,
  };
  await using worker = await KubernetesWorker.open(settings);
  await using secondWorker = await KubernetesWorker.open(settings);
  console.fact('ready', `after ${((performance.now() - startedAt) / 1000).toFixed(2)} s`);

  const traces: DemoTraces = { owners: [], artifacts: [] };
  let holds = false;
  try {
    holds = await runPipeline(
      { worker, secondWorker, image: options.image, sourceFolder, runId: randomUUID(), console, signal },
      traces,
    );
  } finally {
    holds = (await release(worker, traces, { console, cluster, database })) && holds;
  }
  console.step(holds ? 'done' : 'failed', `after ${((performance.now() - startedAt) / 1000).toFixed(2)} s`);
  return holds;
}

/**
 * Deletes everything that the run has created, also after a failure. Returns whether nothing is
 * left.
 */
async function release(
  worker: KubernetesWorker,
  { owners, artifacts }: DemoTraces,
  {
    console,
    cluster,
    database,
  }: { readonly console: DemoConsole; readonly cluster: DemoCluster; readonly database: DemoDatabase },
): Promise<boolean> {
  console.step('release', 'everything');
  for (const owner of owners) await worker.ownerFinished(owner);
  for (const handle of artifacts) await worker.expireArtifact(handle);
  const { deletedPods, deletedContainers, deletedVolumes } = await worker.reap();
  console.fact('reaped', `${deletedPods} pods, ${deletedContainers} containers, ${deletedVolumes} volumes`);
  const [pods, rows] = [await cluster.countPods(worker.name), await database.countRows(worker.name)];
  console.check(`${pods} pods are left`, pods === 0);
  console.check(`${rows} rows are left`, rows === 0);
  return pods === 0 && rows === 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)}\n${error instanceof UsageError ? `\n${usage}` : ''}`,
  );
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
