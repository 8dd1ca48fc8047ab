import { Command } from 'commander';

import type { ContainerInfo, ReapPlan, ReapResult } from '../../../index.ts';
import type { DefineCommand } from '../cli-context.ts';
import { print, printJson, tableOf } from '../output.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface ReapCommandOptions {
  readonly dryRun?: boolean;
  readonly sweepStores?: boolean;
  readonly json?: boolean;
}

/** `reap`: one pass of the reaper, or what it would delete. */
export const reapCommand: DefineCommand = (context) =>
  configurable(
    new Command('reap')
      .description('Delete the pods and rows of what is no longer needed: one pass of the reaper.')
      .option('--dry-run', 'Delete nothing. Print what a pass would delete, and why.')
      .option('--sweep-stores', 'Also delete what the archive stores have and no archive refers to.')
      .option('--json', 'Print JSON.')
      .action(async ({ dryRun = false, sweepStores = false, json = false }: ReapCommandOptions, command: Command) => {
        const { signal } = context;
        await withWorker(command, context, async (worker) => {
          const { findDeadRuns, finishDeadRuns } = await import('../../runs/dead-runs.ts');
          const deadRuns = dryRun ? await findDeadRuns(worker, signal) : await finishDeadRuns(worker, signal);
          const plan = await worker.planReap({ signal });
          const handles = deadRuns.map(({ handle }) => handle);
          if (dryRun) {
            if (json) await printJson(context, { ...plan, deadRuns: handles });
            else await print(context.stdout, planText(plan, deadRuns));
            return;
          }
          const result = await worker.reap({ signal, sweepStores });
          if (json) await printJson(context, { deadRuns: handles, plan, result });
          else await print(context.stdout, planText(plan, []) + resultText(result));
        });
      }),
  );

/** The owners of dead runs have not finished yet, or their containers are in the plan. */
function planText(plan: ReapPlan, deadRuns: readonly ContainerInfo[]): string {
  const rows = [
    ...deadRuns.map(({ handle, podName, owner }) => [
      'container',
      handle,
      'dead-run',
      `pod ${podName} of ${owner.kind} ${owner.key}`,
    ]),
    ...plan.containers.map(({ handle, podName, owner, reason }) => [
      'container',
      handle,
      reason,
      `pod ${podName} of ${owner.kind} ${owner.key}`,
    ]),
    ...plan.volumes.map(({ handle, reason }) => ['volume', handle, reason, '']),
    ...plan.unknownPods.map(({ podName, handle }) => ['pod', podName, 'unknown', `no row has its handle ${handle}`]),
    ...plan.configMaps.map(({ name, createdAt }) => [
      'config map',
      name,
      'unused',
      `an agent of another version, created ${createdAt.toISOString()}`,
    ]),
    ...plan.archives.map(({ id, store, reason }) => ['archive', id, reason, `store ${store}`]),
  ];
  return rows.length === 0 ? 'Nothing is to be deleted.\n' : tableOf(['KIND', 'NAME', 'REASON', 'DETAIL'], rows);
}

function resultText(result: ReapResult): string {
  const { deletedPods, deletedContainers, deletedVolumes, deletedConfigMaps, deletedArchives, deletedKeys } = result;
  return (
    `Deleted ${deletedPods} pods, ${deletedContainers} containers, ${deletedVolumes} volumes, ` +
    `${deletedConfigMaps} config maps, ${deletedArchives} archives and ${deletedKeys} keys without an archive.\n`
  );
}
