import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import type { ProcessEnd } from './container-runtime.ts';

/**
 * The last script before a command. Parameters: working directory, then the command. It says on descriptor 3 that the command is about to begin
 * (`started`), or why not, in the words of a container runtime, and becomes the command.
 */
export const LAUNCH_SCRIPT = `
refuse() { echo "refused $1" >&3; exit "$2"; }
cd -- "$1" 2>/dev/null || refuse "chdir to cwd (\\"$1\\") set in config.json failed: no such file or directory" 126
shift
[ "$#" -gt 0 ] || refuse 'args must not be empty' 126
case $1 in
*/*)
  [ -e "$1" ] || refuse "exec: \\"$1\\": stat $1: no such file or directory" 127
  [ -f "$1" ] && [ -x "$1" ] || refuse "exec: \\"$1\\": permission denied" 126
  ;;
*)
  kw_found=
  set -f
  kw_ifs=$IFS
  IFS=:
  for kw_dir in $PATH; do
    if [ -f "$kw_dir/$1" ] && [ -x "$kw_dir/$1" ]; then kw_found=1; break; fi
  done
  IFS=$kw_ifs
  set +f
  [ "$kw_found" ] || refuse "exec: \\"$1\\": executable file not found in \\$PATH" 127
  ;;
esac
echo started >&3
exec 3>&-
exec "$@"
`;

/** What the scripts of a launch say on descriptor 3. */
export interface LaunchReport {
  /** The first process' number on this machine, where the script tells it. */
  readonly pid: Promise<number | undefined>;
  /** Settles when the command has begun (true) or won't (false). */
  readonly begun: Promise<boolean>;
  /** Settles when the process has ended. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
}

/** Follows a launch: reads its descriptor 3, and waits for its end. */
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
  if (!started && signal === null) return { kind: 'refused', message: `the container's root could not be made (exit status ${code})` };
  if (signal === null) return { kind: 'exited', exitCode: code ?? 0, signal: undefined };
  return { kind: 'exited', exitCode: 128 + constants.signals[signal], signal };
}
