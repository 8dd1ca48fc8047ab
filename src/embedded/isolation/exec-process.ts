import { type ChildProcess, spawn } from 'node:child_process';
import { Writable } from 'node:stream';
import type { ExecProcess, ExecSpec } from './container-runtime.ts';
import { followLaunch, type Launch, launchArguments, launchEnvironment, spawnWith } from './launch.ts';
import type { MachineTools } from './machine.ts';
import type { PipePool } from './pipes.ts';
import { terminalOf } from './processes.ts';

interface ExecRequest {
  /** The command line that enters the container, up to its shell. */
  readonly entrance: readonly string[];
  readonly launch: Omit<Launch, 'tools'>;
  readonly spec: ExecSpec;
  /** The user that may open the streams by name. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly tools: MachineTools;
  readonly pipes: PipePool;
  readonly identity?: { readonly uid: number; readonly gid: number };
}

/**
 * Reads the command line from descriptor 4: `script` accepts its command as one argument only, and
 * an environment can exceed the length of one argument.
 */
const terminalCommand = 'eval "$(cat <&4)"';

/**
 * Starts an additional process in a container. Uses a terminal of `script` (util-linux) if the
 * request asks for one.
 */
export async function startExec(request: ExecRequest): Promise<ExecProcess> {
  const { spec, tools, launch } = request;
  const terminal =
    spec.tty && tools.script !== undefined
      ? [tools.script, '--quiet', '--return', '--flush', '--command', terminalCommand, '/dev/null']
      : undefined;
  const environment = spec.tty
    ? { ...launch.environment, TERM: launch.environment['TERM'] ?? 'xterm' }
    : launch.environment;
  const command = [...request.entrance, ...launchArguments({ ...launch, environment, tools })];
  const [file = '', ...args] = terminal ?? command;
  const streams = await request.pipes.streams({
    owner: request.owner,
    stdin: spec.stdin,
    stdout: spec.stdout,
    stderr: spec.stderr && !spec.tty,
  });
  const child = spawnWith(streams, () =>
    spawn(file, args, {
      env: {
        ...launchEnvironment(environment),
        ...(terminal === undefined ? {} : { TERM: environment['TERM'] ?? 'xterm' }),
      },
      cwd: '/',
      detached: true,
      stdio: [...streams.child, 'pipe', ...(terminal === undefined ? [] : ['pipe' as const])],
      ...request.identity,
    }),
  );
  const { ended } = followLaunch(child);
  if (terminal !== undefined) writeCommand(child, command);
  return {
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    ended,
    resize: (columns, rows) => {
      if (terminal !== undefined && tools.stty !== undefined && child.pid !== undefined)
        resizeTerminal(child.pid, tools.stty, { columns, rows });
    },
  };
}

function writeCommand(child: ChildProcess, command: readonly string[]): void {
  const pipe = child.stdio[4];
  if (!(pipe instanceof Writable)) return;
  // A child that has ended closes its end of the pipe.
  pipe.on('error', () => undefined);
  pipe.end(`exec 4<&-\nexec ${command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}`);
}

function resizeTerminal(scriptPid: number, stty: string, size: { columns: number; rows: number }): void {
  const terminal = terminalOf(scriptPid);
  if (terminal === undefined) return;
  const child = spawn(stty, ['-F', terminal, 'columns', String(size.columns), 'rows', String(size.rows)], {
    stdio: 'ignore',
  });
  child.on('error', () => undefined);
}
