import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import type { CliContext, DefineCommand } from '../cli-context.ts';
import { UsageError } from '../cli-error.ts';
import { changesBetween, type StateEvent } from '../events/changes.ts';
import { readSnapshot, type Snapshot } from '../events/snapshot.ts';
import { print, printJsonLine } from '../output.ts';
import { printable } from '../printable.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface EventsOptions {
  readonly follow?: boolean;
  readonly processes?: boolean;
  readonly everyMs: string;
  readonly json?: boolean;
}

/**
 * `events`: changes of the worker, its containers, volumes and processes, whichever host has made them.
 * The events of a worker object stay in its process, so the command compares states.
 */
export const eventsCommand: DefineCommand = (context) =>
  configurable(
    new Command('events')
      .description('Print the worker, its containers and volumes and, with --follow, each change of them.')
      .option('-f, --follow', 'Continue with changes until an interrupt.')
      .option('--processes', 'Also ask the pods for their processes.')
      .option('--every-ms <n>', 'The time between two reads. A state between them is not seen.', '1000')
      .option('--json', 'Print JSON, one event per line.')
      .action(async ({ follow = false, processes = false, everyMs, json = false }: EventsOptions, command: Command) => {
        const periodMs = periodOf(everyMs);
        const { signal } = context;
        await withWorker(command, context, async (worker) => {
          for (let before: Snapshot | undefined; ; ) {
            const after = await readSnapshot(worker, { processes, before, signal });
            for (const event of changesBetween(before, after)) await printEvent(context, event, json);
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

async function printEvent(
  context: CliContext,
  { kind, subject, text, facts }: StateEvent,
  json: boolean,
): Promise<void> {
  const at = new Date();
  if (json) return await printJsonLine(context, { at, kind, ...facts });
  const line = [at.toISOString(), kind, subject, text].map(printable).join('  ');
  await print(context.stdout, `${line}\n`);
}
