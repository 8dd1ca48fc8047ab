import { Command } from 'commander';

import type { CheckFinding } from '../../../index.ts';
import { codeOf } from '../../error-facts.ts';
import type { CliContext, DefineCommand } from '../cli-context.ts';
import { ExitCode } from '../exit-code.ts';
import { print, printJson } from '../output.ts';
import { printable } from '../printable.ts';
import { configOf, configurable, withConfiguredOptions } from '../worker-command.ts';

interface DoctorOptions {
  readonly startPod?: boolean;
  readonly networkPolicy?: boolean;
  readonly stores: boolean;
  readonly images: boolean;
  readonly json?: boolean;
}

/** `doctor`: everything that the worker depends on, with advice. */
export const doctorCommand: DefineCommand = (context, setExitCode) =>
  configurable(
    new Command('doctor')
      .description('Examine everything that the worker needs: the cluster, the database, stores and images.')
      .option('--start-pod', 'Also start a pod, and delete it.')
      .option('--network-policy', 'Also examine the isolation of hermetic containers, in two pods.')
      .option('--no-stores', 'Do not probe the archive stores.')
      .option('--no-images', 'Do not look the configured images up in their registries.')
      .option('--json', 'Print JSON.')
      .action(async ({ json = false, ...checking }: DoctorOptions, command: Command) => {
        const { signal } = context;
        const { config } = await configOf(command, context);
        const { workerOptionsOf } = await import('../../config/worker-options.ts');
        const { KubernetesWorker } = await import('../../../index.ts');
        const options = await workerOptionsOf(config);
        const { ok, findings } = await withConfiguredOptions(() =>
          KubernetesWorker.check(options, { ...checking, signal }),
        );
        if (json) await printJson(context, { ok, findings: findings.map(jsonOf) });
        else await print(context.stdout, findings.map((finding) => textOf(finding, context)).join(''));
        setExitCode(exitCodeOf(findings));
      }),
  );

function exitCodeOf(findings: readonly CheckFinding[]): number {
  const failed = new Set(findings.filter(({ outcome }) => outcome === 'failure').map(({ check }) => check));
  if (failed.has('api-server') && failed.has('database')) return ExitCode.Unavailable;
  return failed.size === 0 ? ExitCode.Ok : ExitCode.Failure;
}

function jsonOf({ error, ...finding }: CheckFinding): object {
  return { ...finding, code: codeOf(error) };
}

const colours = { ok: 32, warning: 33, failure: 31, skipped: 2 } as const;

function textOf({ check, outcome, message, advice }: CheckFinding, context: CliContext): string {
  const label = outcome.padEnd(7);
  const marked = hasColours(context) ? `\u001b[${colours[outcome]}m${label}\u001b[0m` : label;
  const hint = advice === undefined ? '' : `${' '.repeat(9)}${printable(advice)}\n`;
  return `${marked}  ${check}: ${printable(message)}\n${hint}`;
}

function hasColours({ stdout, env }: CliContext): boolean {
  return stdout.isTTY === true && env['TERM'] !== 'dumb' && (env['NO_COLOR'] ?? '') === '';
}
