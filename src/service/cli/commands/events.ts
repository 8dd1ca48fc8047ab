import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import type { ContainerInfo, KubernetesWorker } from '../../../index.ts';
import { containerPages } from '../../container-pages.ts';
import type { CliContext, DefineCommand } from '../cli-context.ts';
import { UsageError } from '../cli-error.ts';
import { type ContainerChange, changesBetween } from '../container-changes.ts';
import { print, printJsonLine } from '../output.ts';
import { printable } from '../printable.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface EventsOptions {
  readonly follow?: boolean;
  readonly everyMs: string;
  readonly json?: boolean;
}

/**
 * `events`: changes of the containers, made by any host. The events of a worker object stay in its
 * process, so the command compares lists of the database.
 */
export const eventsCommand: DefineCommand = (context) =>
  configurable(
    new Command('events')
      .description('Print the present containers and, with --follow, each change of one.')
      .option('-f, --follow', 'Continue with changes until an interrupt.')
      .option('--every-ms <n>', 'The time between two reads of the database. A state between them is not seen.', '1000')
      .option('--json', 'Print JSON, one event per line.')
      .action(async ({ follow = false, everyMs, json = false }: EventsOptions, command: Command) => {
        const periodMs = periodOf(everyMs);
        const { signal } = context;
        await withWorker(command, context, async (worker) => {
          for (let before: readonly ContainerInfo[] | undefined; ; ) {
            const after = await allContainers(worker, signal);
            for (const change of changesBetween(before, after)) await printChange(context, change, json);
            if (!follow) return;
            before = after;
            await sleep(periodMs, undefined, { signal });
          }
        });
      }),
  );

/** @throws UsageError */
function periodOf(text: string): number {
  if (/^[1-9]\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--every-ms: ${printable(text)} is not a number of milliseconds from 10 to 9999999`);
}

async function allContainers(worker: KubernetesWorker, signal: AbortSignal): Promise<readonly ContainerInfo[]> {
  const containers: ContainerInfo[] = [];
  for await (const page of containerPages(worker, {}, signal)) containers.push(...page);
  return containers;
}

async function printChange(context: CliContext, change: ContainerChange, json: boolean): Promise<void> {
  const at = new Date();
  const { kind, previousState, container } = change;
  const { handle, state, owner, podName } = container;
  if (json) return await printJsonLine(context, { at, kind, handle, state, previousState, owner, podName });
  const states = previousState === undefined ? state : `${previousState} -> ${state}`;
  const line = [at.toISOString(), kind, handle, states, `${owner.kind}/${owner.key}`].map(printable).join('  ');
  await print(context.stdout, `${line}\n`);
}
