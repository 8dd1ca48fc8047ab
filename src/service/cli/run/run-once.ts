import type { ContainerOwner, ContainerWithMounts, Worker } from '../../../index.ts';
import { finishDeadRuns } from '../../runs/dead-runs.ts';
import { RunOwner } from '../../runs/run-owner.ts';
import { serviceClock } from '../../service-clock.ts';
import { runAttached } from '../attached/run-attached.ts';
import type { CliContext } from '../cli-context.ts';
import { download } from '../copy/download.ts';
import { checkTarget } from '../copy/local-target.ts';
import { withProgress } from '../copy/progress.ts';
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
    await finish(worker, owner);
    process.off('exit', nameLeftBehind);
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

async function writeOutputs(
  { mounts }: ContainerWithMounts,
  { outputs }: RunPlan,
  { force, isQuiet }: RunOnceOptions,
  { stdout, stderr, signal }: CliContext,
): Promise<void> {
  for (const { name, target } of outputs) {
    const volume = mounts.find((mount) => mount.name === name)?.volume;
    if (volume === undefined) throw new TypeError(`the container has no output ${name}`);
    const to = { kind: 'local', path: target } as const;
    await withProgress(stderr, { totalBytes: undefined, isQuiet }, (progress) =>
      download({ volume, path: '' }, to, { stdout, force, progress, signal }),
    );
  }
}

async function finish(worker: Worker, owner: ContainerOwner): Promise<void> {
  await worker.ownerFinished(owner, { final: true, deletePod: { gracePeriodSeconds: 1 } });
  const signal = AbortSignal.timeout(reapBudgetMs);
  await finishDeadRuns(worker, signal);
  await worker.reap({ budgetMs: reapBudgetMs });
}
