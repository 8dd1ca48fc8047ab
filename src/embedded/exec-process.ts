import { spawn } from 'node:child_process';
import type { ExecProcess, ExecSpec } from './container-runtime.ts';
import { followLaunch } from './launch.ts';
import type { MachineTools } from './machine.ts';
import type { PipePool } from './pipes.ts';
import { terminalOf } from './processes.ts';

interface ExecRequest {
  /** The whole command line, the container's entrance included. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly spec: ExecSpec;
  /** Who may open the streams by name. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly tools: MachineTools;
  readonly pipes: PipePool;
  readonly identity?: { readonly uid: number; readonly gid: number };
}

/** Starts a further process of a container; with a terminal of `script` (util-linux) where one is asked for. */
export async function startExec(request: ExecRequest): Promise<ExecProcess> {
  const { spec, tools } = request;
  const terminal = spec.tty ? terminalCommand(request) : undefined;
  const [file = '', ...args] = terminal ?? request.command;
  const streams = await request.pipes.streams({
    owner: request.owner,
    stdin: spec.stdin,
    stdout: spec.stdout,
    stderr: spec.stderr && !spec.tty,
  });
  const child = spawn(file, args, {
    env: { ...request.environment, ...(spec.tty ? { TERM: request.environment['TERM'] ?? 'xterm' } : {}) },
    cwd: request.directory,
    detached: true,
    stdio: [...streams.child, 'pipe'],
    ...request.identity,
  });
  streams.releaseChildEnds();
  const { ended } = followLaunch(child);
  return {
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    ended,
    resize: (columns, rows) => {
      if (terminal !== undefined && tools.stty !== undefined && child.pid !== undefined) resizeTerminal(child.pid, tools.stty, { columns, rows });
    },
  };
}

/** `script` takes one text for a shell. */
function terminalCommand({ command, tools }: ExecRequest): string[] | undefined {
  if (tools.script === undefined) return undefined;
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return [tools.script, '--quiet', '--return', '--flush', '--command', quoted, '/dev/null'];
}

function resizeTerminal(scriptPid: number, stty: string, size: { columns: number; rows: number }): void {
  const terminal = terminalOf(scriptPid);
  if (terminal === undefined) return;
  const child = spawn(stty, ['-F', terminal, 'columns', String(size.columns), 'rows', String(size.rows)], { stdio: 'ignore' });
  child.on('error', () => undefined);
}
