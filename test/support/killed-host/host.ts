// A host program: runs a build, and keeps logs and state in files. It may be killed at any moment,
// and continues when it is restarted. `node host.ts KUBECONFIG NAMESPACE DATABASE WORKER IMAGE
// BUILD FOLDER`. Exits with 0 when the build has ended and everything is released.
import { createWriteStream, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { type Artifact, type ContainerOwner, KubernetesWorker } from '../../../src/index.ts';
import { type Step, steps } from './build.ts';

const [kubeConfig = '', namespace = '', database = '', name = '', image = '', build = '', folder = ''] =
  process.argv.slice(2);
const outcome = join(folder, 'outcome.json');

const ownerOf = (step: Step): ContainerOwner => ({ kind: 'build-step', key: `${build}/${step.name}` });

/** Opens the log of a stream. Its size is the offset at which the next host resumes. */
function log(
  step: Step,
  stream: 'stdout' | 'stderr',
): { readonly bytes: number; readonly writable: ReturnType<typeof createWriteStream> } {
  const path = join(folder, `${step.name}.${stream}`);
  return { bytes: existsSync(path) ? statSync(path).size : 0, writable: createWriteStream(path, { flags: 'a' }) };
}

async function run(
  worker: KubernetesWorker,
  step: Step,
  made: ReadonlyMap<string, Artifact>,
): Promise<{ exitStatus: number; output: Artifact }> {
  const { container, mounts } = await worker.findOrCreateContainer(ownerOf(step), {
    image,
    dir: '/tmp/build/step',
    inputs: [...made].map(([by, artifact]) => ({ artifact, path: `made-by-${by}` })),
    outputs: { made: 'made' },
  });
  const [stdout, stderr] = [log(step, 'stdout'), log(step, 'stderr')];
  const command = await container.run(
    { id: 'step', path: 'sh', args: ['-c', step.script] },
    {
      stdin: step.stdin === undefined ? undefined : Readable.from([step.stdin]),
      stdout: stdout.writable,
      stderr: stderr.writable,
    },
    {
      from: { stdoutBytes: stdout.bytes, stderrBytes: stderr.bytes },
      resultProperties: (result) => ({ status: String(result.exitStatus) }),
    },
  );
  const { exitStatus, undelivered } = await command.wait();
  if (undelivered !== undefined)
    throw new Error(`the log of ${step.name} is incomplete`, { cause: undelivered[0]?.cause });
  const { status } = await container.properties();
  if (status !== String(exitStatus)) throw new Error(`the property has ${String(status)}, the result ${exitStatus}`);
  const output = mounts.find((mount) => mount.name === 'made')?.volume;
  if (output === undefined) throw new Error(`${step.name} has no output`);
  return { exitStatus, output };
}

mkdirSync(folder, { recursive: true });
await using worker = await KubernetesWorker.open({
  name,
  kubeConfig,
  namespace,
  database,
  volumeImage: image,
  leaseMs: 2_000,
});
if (!existsSync(outcome)) {
  const statuses: Record<string, number> = {};
  let last = new Map<string, Artifact>();
  for (const step of steps) {
    const { exitStatus, output } = await run(worker, step, last);
    statuses[step.name] = exitStatus;
    last = new Map([[step.name, output]]);
  }
  writeFileSync(`${outcome}.new`, JSON.stringify(statuses));
  renameSync(`${outcome}.new`, outcome);
}
for (const step of steps) await worker.ownerFinished(ownerOf(step));
await worker.reap();
