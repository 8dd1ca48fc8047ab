import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import type {
  ContainerOwner,
  ContainerWithMounts,
  ProcessResult,
  ProcessSpec,
  StepProgress,
  Volume,
  VolumeMount,
  Worker,
} from 'kubernetes-worker';

import { type DemoConsole, rate } from './console.ts';
import { showProgress } from './show-progress.ts';
import { countLines, gzipArchive } from './source-archive.ts';

/** The environment of a run. */
export interface DemoSetup {
  readonly worker: Worker;
  /** Another instance on the same database and cluster, like that of a restarted host. */
  readonly secondWorker: Worker;
  readonly image: string;
  readonly sourceFolder: string;
  /** Makes the owners of this run unique. */
  readonly runId: string;
  readonly console: DemoConsole;
  readonly signal: AbortSignal;
}

/** Records what a run has created, so that all of it can be released after a failure. */
export interface DemoTraces {
  readonly owners: ContainerOwner[];
  readonly artifacts: string[];
}

const countScript = `
set -e
echo "counting lines of $(find . -type f | wc -l) files" >&2
find . -type f | sort | while IFS= read -r file; do echo "$(wc -l < "$file") $file"; done > "$RESULT/report.txt"
tar -cf "$RESULT/source.tar" .
echo "lines: $(cat "$RESULT/report.txt" | while read -r lines file; do echo "$lines"; done | { sum=0; while read -r n; do sum=$((sum + n)); done; echo "$sum"; })"
`;

const putScript = `
request=$(cat)
echo "request: $request" >&2
printf '{"version":{"files":"%s"},"metadata":[{"name":"report","value":"%s bytes"}]}\\n' "$(wc -l < result/report.txt)" "$(wc -c < result/report.txt)"
`;

/** Runs upload, task, put and download, and prints every check. Returns whether all checks hold. */
export async function runPipeline(setup: DemoSetup, traces: DemoTraces): Promise<boolean> {
  const { console, sourceFolder } = setup;
  const checks: boolean[] = [];
  const check = (claim: string, holds: boolean): void => {
    checks.push(holds);
    console.check(claim, holds);
  };
  const expected = await countLines(sourceFolder);
  const totalLines = [...expected.values()].reduce((sum, lines) => sum + lines, 0);

  const source = await upload(setup, traces);
  const task = await runTask(setup, traces, source);
  check('the task ended with status 0', task.exitStatus === 0);
  check(`its stdout reports ${totalLines} lines`, task.stdout === `lines: ${totalLines}\n`);
  check(`its stderr reports ${expected.size} files`, task.stderr === `counting lines of ${expected.size} files\n`);

  const put = await runPut(setup, traces, task.result);
  check('the put ended with status 0', put.exitStatus === 0);
  check(`its response reports ${expected.size} files`, put.stdout.includes(`"files":"${expected.size}"`));

  const report = await download(setup, task.result.handle, check);
  const wanted = [...expected].map(([file, lines]) => `${lines} ./${file}`).sort();
  check('the report is right for every file', report.trim().split('\n').sort().join('\n') === wanted.join('\n'));
  return checks.every((holds) => holds);
}

async function upload({ worker, console, sourceFolder, signal }: DemoSetup, traces: DemoTraces): Promise<Volume> {
  console.step('upload', `a gzip'd tar of ${sourceFolder}`);
  const { volume } = await worker.createVolumeForArtifact('demo', { signal });
  traces.artifacts.push(volume.handle);
  console.fact('volume', volume.handle);
  const startedAt = performance.now();
  const archive = counted(gzipArchive(sourceFolder), (bytes) => console.progress('sending', bytes, startedAt));
  const { bytes, rawBytes, digest, entries } = await volume.streamIn('.', archive, { encoding: 'gzip', signal });
  console.fact('sent', `${rate(rawBytes, performance.now() - startedAt)} (${bytes} bytes of gzip, ${entries} entries)`);
  console.fact('digest', `sha256:${digest}`);
  return volume;
}

interface StepOutcome {
  readonly exitStatus: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function runTask(
  setup: DemoSetup,
  traces: DemoTraces,
  source: Volume,
): Promise<StepOutcome & { readonly result: Volume }> {
  setup.console.step('task', 'counts lines per file, writes a report and an archive');
  const spec = { inputs: [{ artifact: source, path: 'source' }], outputs: { result: 'result' } };
  const made = await makeContainer(setup, traces, 'task', spec);
  const outcome = await runToEnd(setup, made, {
    id: 'task',
    path: 'sh',
    args: ['-c', countScript],
    dir: 'source',
    env: ['RESULT=/tmp/build/demo/result'],
  });
  const mount = made.mounts.find(({ name }) => name === 'result');
  if (mount === undefined) throw new Error('the container has no output "result"');
  return { ...outcome, result: mount.volume };
}

async function runPut(setup: DemoSetup, traces: DemoTraces, result: Volume): Promise<StepOutcome> {
  setup.console.step('put', 'another pod reads JSON on stdin and writes JSON to stdout');
  const made = await makeContainer(setup, traces, 'put', { inputs: [{ artifact: result, path: 'result' }] });
  const request = JSON.stringify({ source: { uri: 'demo' }, params: { file: 'result/report.txt' } });
  return await runToEnd(setup, made, { id: 'resource', path: 'sh', args: ['-c', putScript] }, Readable.from([request]));
}

async function makeContainer(
  { worker, console, image, runId, signal }: DemoSetup,
  traces: DemoTraces,
  type: string,
  parts: { readonly inputs: { artifact: Volume; path: string }[]; readonly outputs?: Record<string, string> },
): Promise<ContainerWithMounts> {
  const owner = { kind: 'demo-step', key: `${runId}/${type}` };
  traces.owners.push(owner);
  const startedAt = performance.now();
  const delegate = { progress: (event: StepProgress): void => showProgress(console, event, startedAt) };
  const made = await worker.findOrCreateContainer(
    owner,
    { image, dir: '/tmp/build/demo', ...parts },
    { metadata: { type, stepName: 'demo' }, delegate, signal },
  );
  console.fact('mounts', made.mounts.map(({ mountPath }: VolumeMount) => mountPath).join(', '));
  return made;
}

async function runToEnd(
  { console, signal }: DemoSetup,
  { container }: ContainerWithMounts,
  spec: ProcessSpec,
  stdin?: Readable,
): Promise<StepOutcome> {
  const stdout = console.stream('stdout');
  const stderr = console.stream('stderr');
  const startedAt = performance.now();
  const process = await container.run(spec, { stdin, stdout, stderr }, { signal });
  const { exitStatus }: ProcessResult = await process.wait({ signal });
  console.fact('exit', `status ${exitStatus} after ${((performance.now() - startedAt) / 1000).toFixed(2)} s`);
  return { exitStatus, stdout: stdout.text(), stderr: stderr.text() };
}

/**
 * Downloads a volume through a second worker, which finds what the first one has created. Returns
 * its report.
 */
async function download(
  { secondWorker, console, signal }: DemoSetup,
  handle: string,
  check: (claim: string, holds: boolean) => void,
): Promise<string> {
  console.step('download', 'the result, through a second worker on the same database');
  const volume = await secondWorker.lookupVolume(handle, { signal });
  if (volume === undefined) throw new Error(`the second worker does not find volume ${handle}`);
  console.fact('volume', volume.handle);
  const [first, again] = [await digestOf(volume, console, signal), await digestOf(volume, console, signal)];
  check('two downloads are identical, byte for byte', first === again);
  return Buffer.from(await volume.readFile('report.txt', { signal, limitBytes: 16 * 1024 * 1024 })).toString();
}

async function digestOf(volume: Volume, console: DemoConsole, signal: AbortSignal): Promise<string> {
  const startedAt = performance.now();
  const hash = createHash('sha256');
  let bytes = 0;
  const archive = await volume.streamOut('.', { signal });
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done): void {
      hash.update(chunk);
      bytes += chunk.byteLength;
      console.progress('receiving', bytes, startedAt);
      done();
    },
  });
  await pipeline(archive, sink, { signal });
  const digest = hash.digest('hex');
  console.fact('received', rate(bytes, performance.now() - startedAt));
  console.fact('digest', `sha256:${digest}`);
  return digest;
}

async function* counted(source: Readable, report: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    report(bytes);
    yield chunk;
  }
}
