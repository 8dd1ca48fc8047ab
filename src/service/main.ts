#!/usr/bin/env node
import { constants } from 'node:os';

import { InterruptedError } from './cli/cli-error.ts';
import { ExitCode } from './cli/exit-code.ts';

/** The lowest version of Node that the package supports, as in `engines` of `package.json`. */
const lowestNode: readonly [major: number, minor: number] = [22, 19];

/** An interrupted process waits for connections that libraries have not closed for this time only. */
const lingerMs = 1_000;

function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > lowestNode[0] || (major === lowestNode[0] && minor >= lowestNode[1]);
}

/**
 * Runs the command line. The first signal aborts the command. A second one, unless it is the hang-up of a
 * terminal, ends the process at once.
 */
async function main(): Promise<number> {
  if (!isSupported(process.versions.node)) {
    process.stderr.write(`kubernetes-worker needs Node ${lowestNode.join('.')} or newer; this is ${process.version}\n`);
    return ExitCode.Configuration;
  }
  const interrupt = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) process.exit(128 + constants.signals[signal]);
    interrupt.abort(new InterruptedError(signal));
  };
  // A closed terminal may send it several times. `serve` has a use of its own for it.
  const onHangUp = (): void => {
    if (process.listenerCount('SIGHUP') === 1 && !interrupt.signal.aborted) onSignal('SIGHUP');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangUp);
  // Imported after the handlers are installed, and after the check of Node's version.
  const { runCli } = await import('./cli/run-cli.ts');
  const exitCode = await runCli(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: interrupt.signal,
  });
  if (interrupt.signal.aborted) setTimeout(() => process.exit(), lingerMs).unref();
  return exitCode;
}

process.exitCode = await main();
