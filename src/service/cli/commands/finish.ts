import { Command } from 'commander';

import type { ContainerInfo, Worker } from '../../../index.ts';
import type { DefineCommand } from '../cli-context.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { print, printJson } from '../output.ts';
import { printable } from '../printable.ts';
import { reapBudgetMs } from '../reap-budget.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface FinishCommandOptions {
  readonly final?: boolean;
  readonly json?: boolean;
}

/** `finish`: finishes the owner of a container by hand. */
export const finishCommand: DefineCommand = (context) =>
  configurable(
    new Command('finish')
      .description('Finish the owner of a container, and delete the container with its pod.')
      .argument('<handle>', 'The handle of the container.')
      .option('--final', 'The owner has finished for good: it gets no other container.')
      .option('--json', 'Print JSON.')
      .action(async (handle: string, { final = false, json = false }: FinishCommandOptions, command: Command) => {
        const { signal } = context;
        await withWorker(command, context, async (worker) => {
          const { owner, podName } = await listed(worker, handle, signal);
          await worker.ownerFinished(owner, { handle, final, deletePod: {}, signal });
          await worker.reap({ budgetMs: reapBudgetMs, signal });
          const isDeleted = (await find(worker, handle, signal)) === undefined;
          if (json) return await printJson(context, { handle, owner, podName, deleted: isDeleted });
          const end = isDeleted ? 'is deleted' : 'will be deleted by the reaper';
          await print(
            context.stdout,
            `${printable(`owner ${owner.kind}/${owner.key} has finished; container ${handle} ${end}`)}\n`,
          );
        });
      }),
  );

async function listed(
  worker: Pick<Worker, 'listContainers'>,
  handle: string,
  signal: AbortSignal,
): Promise<ContainerInfo> {
  const found = await find(worker, handle, signal);
  if (found !== undefined) return found;
  throw new CliError(`there is no container ${handle}`, ExitCode.Failure, {
    advice: 'list the containers: kubernetes-worker ps',
  });
}

async function find(
  worker: Pick<Worker, 'listContainers'>,
  handle: string,
  signal: AbortSignal,
): Promise<ContainerInfo | undefined> {
  const { containers } = await worker.listContainers({ handle, limit: 1 }, { signal });
  return containers[0];
}
