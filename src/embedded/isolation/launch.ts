import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { containerMarker, instanceMarker } from '../markers.ts';
import type { ProcessEnd } from './container-runtime.ts';
import type { MachineTools } from './machine.ts';
import type { StandardStreams } from './pipes.ts';

const markers: readonly string[] = [instanceMarker, containerMarker];

/**
 * The last script before a command. Parameters: the working directory, `env`, the position of the
 * command among the remaining parameters, then the environment and the command. The script reports
 * on descriptor 3 that the command is about to start (`started`), or the reason why it does not,
 * with the message of a container runtime. It runs `env`, because a shell drops variables whose
 * names are not shell identifiers and adds variables of its own.
 */
const launchScript = `
refuse() { echo "refused $1" >&3; exit "$2"; }
cd -- "$1" 2>/dev/null || refuse "chdir to cwd (\\"$1\\") set in config.json failed: no such file or directory" 126
kw_env=$2
kw_place=$3
shift 3
[ "$#" -ge "$kw_place" ] || refuse 'args must not be empty' 126
eval "kw_command=\\\${$kw_place}"
case $kw_command in
*/*)
  [ -e "$kw_command" ] || refuse "exec: \\"$kw_command\\": stat $kw_command: no such file or directory" 127
  [ -f "$kw_command" ] && [ -x "$kw_command" ] || refuse "exec: \\"$kw_command\\": permission denied" 126
  ;;
*)
  kw_found=
  set -f
  kw_ifs=$IFS
  IFS=:
  for kw_dir in $PATH; do
    if [ -f "$kw_dir/$kw_command" ] && [ -x "$kw_dir/$kw_command" ]; then kw_found=1; break; fi
  done
  IFS=$kw_ifs
  set +f
  [ "$kw_found" ] || refuse "exec: \\"$kw_command\\": executable file not found in \\$PATH" 127
  ;;
esac
echo started >&3
exec 3>&-
exec "$kw_env" -i -- "$@"
`;

/** The parameters of a launch. */
export interface Launch {
  readonly tools: Pick<MachineTools, 'env' | 'nice'>;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/** Returns the arguments of a shell that executes the command in exactly this environment. */
export function launchArguments({ tools, workingDirectory, environment, command }: Launch): string[] {
  const entries = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  // `env` parses a command that contains an equals sign as another variable.
  const opener = command[0]?.includes('=') === true ? [tools.nice, '-n', '0'] : [];
  const place = String(entries.length + opener.length + 1);
  return ['-c', launchScript, 'kw-embedded', workingDirectory, tools.env, place, ...entries, ...opener, ...command];
}

/**
 * Returns the environment of the programs that run before the command: `PATH`, and the markers that
 * identify the cluster's processes.
 */
export function launchEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name === 'PATH' || markers.includes(name)));
}

/**
 * Starts a child with these streams. Closes all streams if the start fails: `spawn` throws some
 * errors.
 */
export function spawnWith(streams: StandardStreams, start: () => ChildProcess): ChildProcess {
  try {
    return start();
  } catch (error) {
    for (const stream of [streams.stdin, streams.stdout, streams.stderr]) stream?.destroy();
    throw error;
  } finally {
    streams.releaseChildEnds();
  }
}

/** The progress of a launch, as its scripts report it on descriptor 3. */
export interface LaunchReport {
  /** The first process's id on this machine; `undefined` where the script does not report it. */
  readonly pid: Promise<number | undefined>;
  /** Resolves with `true` when the command has started, or with `false` when it cannot start. */
  readonly begun: Promise<boolean>;
  /** Resolves when the process has ended. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
}

/** Reads the reports on descriptor 3 and waits for the end of the process. */
export function followLaunch(child: ChildProcess): LaunchReport {
  const pid = Promise.withResolvers<number | undefined>();
  const begun = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<ProcessEnd>();
  let refusal: string | undefined;
  let started = false;
  let exitCode: number | undefined;
  let text = '';
  const take = (line: string) => {
    const [, word, rest = ''] = /^(\S+)(?: (.*))?$/s.exec(line) ?? [];
    if (word === 'pid') pid.resolve(Number(rest));
    if (word === 'refused') refusal = rest;
    if (word === 'started') started = true;
    if (word === 'ended') exitCode = Number(rest);
    if (word === 'started' || word === 'refused') begun.resolve(started);
  };
  const report = reportPipe(child);
  report?.setEncoding('utf8');
  report?.on('data', (chunk: string) => {
    const lines = `${text}${chunk}`.split('\n');
    text = lines.pop() ?? '';
    lines.forEach(take);
  });
  report?.on('error', () => undefined);
  const finish = (end: ProcessEnd) => {
    pid.resolve(undefined);
    begun.resolve(false);
    ended.resolve(refusal === undefined ? end : { kind: 'refused', message: refusal });
  };
  child.once('error', (error) => finish({ kind: 'refused', message: error.message }));
  child.once('exit', (code, signal) => {
    const end = () => endOf(exitCode ?? code, exitCode === undefined ? signal : null, started);
    if (report === undefined || report.readableEnded || report.destroyed) finish(end());
    else report.once('close', () => finish(end()));
  });
  return { pid: pid.promise, begun: begun.promise, ended: ended.promise };
}

function reportPipe(child: ChildProcess): Readable | undefined {
  const pipe = child.stdio[3];
  return pipe !== null && pipe !== undefined && 'read' in pipe ? pipe : undefined;
}

function endOf(code: number | null, signal: NodeJS.Signals | null, started: boolean): ProcessEnd {
  if (!started && signal === null)
    return { kind: 'refused', message: `the container's root could not be created (exit status ${code})` };
  if (signal === null) return { kind: 'exited', exitCode: code ?? 0, signal: undefined };
  return { kind: 'exited', exitCode: 128 + constants.signals[signal], signal };
}
