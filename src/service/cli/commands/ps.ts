import { Command, Option } from 'commander';

import type { ContainerState, ProcessInfo } from '../../../index.ts';
import { containerPages } from '../../container-pages.ts';
import { ageOf } from '../age.ts';
import type { DefineCommand } from '../cli-context.ts';
import { examineAll, type ListedContainer } from '../container-list.ts';
import { print, printJson, tableOf } from '../output.ts';
import { printable } from '../printable.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface PsOptions {
  readonly ownerKind?: string;
  readonly state?: ContainerState;
  readonly pods: boolean;
  readonly json?: boolean;
}

const states: readonly ContainerState[] = ['creating', 'created', 'kept', 'failed', 'destroying'];

/** `ps`: the containers of the worker and their processes. */
export const psCommand: DefineCommand = (context) =>
  configurable(
    new Command('ps')
      .description('List the containers and their processes, oldest first.')
      .option('--owner-kind <kind>', 'Only containers with this kind of owner.')
      .addOption(new Option('--state <state>', 'Only containers in this state.').choices(states))
      .option('--no-pods', 'Read the database only: no nodes and no processes.')
      .option('--json', 'Print JSON.')
      .action(async ({ ownerKind, state, pods, json = false }: PsOptions, command: Command) => {
        const { signal } = context;
        const containers: ListedContainer[] = [];
        await withWorker(command, context, async (worker) => {
          for await (const page of containerPages(worker, { ownerKind, state }, signal))
            containers.push(...(pods ? await examineAll(worker, page, signal) : page));
        });
        if (json) return await printJson(context, containers);
        for (const { handle, problem } of containers)
          if (problem !== undefined) context.stderr.write(`${printable(`${handle}: ${problem}`)}\n`);
        const now = new Date();
        await print(
          context.stdout,
          tableOf(
            header,
            containers.map((container) => rowOf(container, now)),
          ),
        );
      }),
  );

const header = ['HANDLE', 'STATE', 'AGE', 'NODE', 'OWNER', 'POD', 'PROCESSES'];

function rowOf({ handle, state, createdAt, nodeName, owner, podName, processes, problem }: ListedContainer, now: Date) {
  const ran = problem === undefined ? (processes ?? []).map(processText).join(',') : '?';
  return [handle, state, ageOf(createdAt, now), nodeName ?? '', `${owner.kind}/${owner.key}`, podName, ran];
}

/** Returns a process as `task=running`, `task=0` with its exit status, or `task=ended` without a stored one. */
function processText({ id, state, result }: ProcessInfo): string {
  return `${id}=${result?.exitStatus ?? state}`;
}
