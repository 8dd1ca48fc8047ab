/**
 * Shuts a host down in the middle of a build without stopping the build's command. Another host
 * continues at the byte that the first one reached. Run it in this repository with `npm run example
 * -- examples/shut-down-and-continue.ts`. A real host aborts the signal on SIGTERM:
 * `process.once('SIGTERM', () => shutdown.abort())`.
 */
import { EventEmitter, once } from 'node:events';
import { Writable } from 'node:stream';

import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import { isKubernetesWorkerError, KubernetesWorker, type ProcessPosition } from 'kubernetes-worker';
import { EmbeddedCluster } from 'kubernetes-worker/embedded';

const owner = { kind: 'build-step', key: '4711/test' };
const spec = { image: 'busybox:1', dir: '/tmp/build/step' };
const script = 'echo built; until test -e go; do sleep 0.05; done; echo tested';

/** The log of the build, which outlives the hosts. */
class BuildLog extends Writable {
  readonly lines = new EventEmitter();
  text = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
    this.lines.emit('line');
  }
}

// #region host
/**
 * Runs the step, or continues it. Returns the exit status, or the position at which the next host
 * continues.
 */
async function runStep(
  worker: KubernetesWorker,
  log: BuildLog,
  from: ProcessPosition,
  shutdown: AbortSignal,
): Promise<{ readonly exitStatus: number } | { readonly detachedAt: ProcessPosition }> {
  const { container, created } = await worker.findOrCreateContainer(owner, spec);
  const task = await container.run({ id: 'task', path: 'sh', args: ['-c', script] }, { stdout: log }, { from });
  console.log(`container created: ${created}, command started: ${task.startedByCall}`);
  try {
    const { exitStatus } = await task.wait({ detachSignal: shutdown });
    // No host runs this step again, not even one that was late.
    await worker.ownerFinished(owner, { handle: container.handle, final: true });
    return { exitStatus };
  } catch (error) {
    if (!isKubernetesWorkerError(error) || error.code !== 'KW_ERR_PROCESS_DETACHED') throw error;
    return { detachedAt: error.position };
  }
}
// #endregion

await using cluster = await EmbeddedCluster.start();
// The prepared files save some seconds. `PGlite.create()` alone works too, as does a PostgreSQL
// URL.
await using database = await PGlite.create({ loadDataDir: await dataDir() });
const open = (): Promise<KubernetesWorker> =>
  KubernetesWorker.open({ name: 'example', kubeConfig: cluster.kubeconfigPath, database });
const log = new BuildLog();

const shutdown = new AbortController();
const first = await open();
const running = runStep(first, log, { stdoutBytes: 0, stderrBytes: 0 }, shutdown.signal);
await once(log.lines, 'line');
shutdown.abort();
const left = await running;
await first.close();
if (!('detachedAt' in left)) throw new Error('the command has ended');
console.log(`detached after ${left.detachedAt.stdoutBytes} bytes`);

await using second = await open();
const continued = runStep(second, log, left.detachedAt, new AbortController().signal);
const { container } = await second.findOrCreateContainer(owner, spec);
await (await container.run({ path: 'touch', args: ['go'] }, {})).wait();
console.log('ended', await continued, JSON.stringify(log.text));
await second.reap();
