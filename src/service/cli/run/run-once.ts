import type { ContainerOwner, ContainerWithMounts, Worker } from '../../../index.ts';
import { messageOf } from '../../error-facts.ts';
import { finishDeadRuns } from '../../runs/dead-runs.ts';
import { RunOwner } from '../../runs/run-owner.ts';
import { serviceClock } from '../../service-clock.ts';
import { runAttached } from '../attached/run-attached.ts';
import type { CliContext } from '../cli-context.ts';
import { download } from '../copy/download.ts';
import { checkTarget } from '../copy/local-target.ts';
import { withProgress } from '../copy/progress.ts';
import { warn } from '../output.ts';
import { reapBudgetMs } from '../reap-budget.ts';
import { folderArtifact } from './folder-artifact.ts';
import { progressText } from './progress-text.ts';
import type { RunPlan } from './run-plan.ts';

export interface RunOnceOptions {
  readonly stdin: boolean;
  readonly tty: boolean;
  /** Whether local targets of outputs are replaced. */
  readonly force: boolean;
  readonly isQuiet: boolean;
}

/**
 * Runs one command in a container of its own, writes its outputs, and deletes the container, whatever
 * happens. Returns the exit status of the command.
 */
export async function runOnce(
  worker: Worker,
  plan: RunPlan,
  options: RunOnceOptions,
  context: CliContext,
): Promise<number> {
  await Promise.all(plan.outputs.map(({ target }) => checkTarget(target, options)));
  await using run = await RunOwner.create(worker, serviceClock, context.signal);
  const { owner } = run;
  // A second signal ends the process at once. The message then names what is left behind.
  let pod: string | undefined;
  const nameLeftBehind = (): void => {
    const what = pod === undefined ? 'the container' : `pod ${pod}`;
    context.stderr.write(`left behind: ${what} of worker ${worker.name}, owner ${owner.kind}/${owner.key}\n`);
  };
  process.on('exit', nameLeftBehind);
  try {
    const found = await create(worker, owner, plan, options, context);
    pod = found.container.podName;
    const { path, args, env } = plan;
    const { exitStatus } = await runAttached(found.container, { path, args, env }, options, context);
    await writeOutputs(found, plan, options, context);
    return exitStatus;
  } finally {
    if (await finish(worker, owner, context)) process.off('exit', nameLeftBehind);
  }
}

async function create(
  worker: Worker,
  owner: ContainerOwner,
  { image, inputs, outputs, dir, user, limits }: RunPlan,
  { isQuiet }: RunOnceOptions,
  { stderr, signal }: CliContext,
): Promise<ContainerWithMounts> {
  const say = (text: string | undefined): void => {
    if (text !== undefined && !isQuiet) stderr.write(`${text}\n`);
  };
  const spec = {
    image,
    dir,
    user,
    limits,
    inputs: await Promise.all(
      inputs.map(async ({ folder, path }) => ({
        artifact: await folderArtifact(folder, (left) => say(`left out, because it is not a file: ${left}`)),
        path,
      })),
    ),
    outputs: Object.fromEntries(outputs.map(({ name }) => [name, name])),
  };
  const delegate = { progress: (event: Parameters<typeof progressText>[0]): void => say(progressText(event)) };
  return await worker.findOrCreateContainer(owner, spec, {
    metadata: { type: 'run' },
    delegate,
    stderr,
    signal,
  });
}

/** Writes each output. One that cannot be written does not keep the others from being written. */
async function writeOutputs(
  { mounts }: ContainerWithMounts,
  { outputs }: RunPlan,
  { force, isQuiet }: RunOnceOptions,
  { stdout, stderr, signal }: CliContext,
): Promise<void> {
  const failures: unknown[] = [];
  for (const { name, target } of outputs) {
    const volume = mounts.find((mount) => mount.name === name)?.volume;
    if (volume === undefined) throw new TypeError(`the container has no output ${name}`);
    const to = { kind: 'local', path: target } as const;
    try {
      await withProgress(stderr, { totalBytes: undefined, isQuiet }, (progress) =>
        download({ volume, path: '' }, to, { stdout, force, progress, signal }),
      );
    } catch (error) {
      signal.throwIfAborted();
      failures.push(error);
      warn(stderr, `output ${name} is not written to ${target}: ${messageOf(error)}`);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/**
 * Finishes the owner, and deletes the container. Returns whether the owner has finished. A failure is a
 * warning: the command has ended, and the next pass of the reaper deletes what is left.
 */
async function finish(worker: Worker, owner: ContainerOwner, { stderr }: CliContext): Promise<boolean> {
  try {
    await worker.ownerFinished(owner, { final: true, deletePod: { gracePeriodSeconds: 1 } });
  } catch (error) {
    warn(stderr, `the container is not deleted: ${messageOf(error)}`);
    return false;
  }
  try {
    await finishDeadRuns(worker, AbortSignal.timeout(reapBudgetMs));
    await worker.reap({ budgetMs: reapBudgetMs });
  } catch (error) {
    warn(stderr, `the pass of the reaper has failed: ${messageOf(error)}`);
  }
  return true;
}
