import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  ContainerMount,
  ContainerRuntime,
  ContainerSpec,
  ContainerUser,
  ExecProcess,
  ExecSpec,
  RunningContainer,
} from './container-runtime.ts';
import { startExec } from './exec-process.ts';
import { followLaunch, type LaunchReport, launchArguments, launchEnvironment, spawnWith } from './launch.ts';
import { type MachineTools, machineFiles } from './machine.ts';
import { makeMountPoints } from './mount-points.ts';
import { mountTable, parseMountInfo } from './mount-table.ts';
import type { PipePool, StandardStreams } from './pipes.ts';
import { planRoot, type RootStep } from './root-plan.ts';
import { requireStream } from './streams.ts';

/** The top-level directories that every container has of its own. */
const reservedNames = ['proc', 'tmp'];

/**
 * The first script in the new namespaces. Parameters: the root, the table of the machine's binds,
 * the table of the mounts, `mount`, the host name, then `chroot` with its arguments. The script's
 * first child is PID 1 of the new PID namespace. The script waits for this child and reports its
 * exit status on descriptor 3, because `unshare --fork` of util-linux cannot report a SIGKILL. The
 * child reads its process id on the machine before the new /proc hides it.
 */
const rootScript = `
exec 4>&2 2>/dev/null
(
  exec 2>&4 4>&-
  read -r pid rest </proc/self/stat
  echo "pid $pid" >&3
  "$4" -a -T "$2" >/dev/null 2>&1
  if [ -s "$3" ]; then
    problem=$("$4" -a -T "$3" 2>&1) || { echo "refused cannot mount: $problem" | tr '\\n' ' ' >&3; echo >&3; exit 125; }
  fi
  "$4" -t proc proc "$1/proc" 2>/dev/null || "$4" --rbind /proc "$1/proc" 2>/dev/null
  { echo "$5" >/proc/sys/kernel/hostname; } 2>/dev/null || hostname "$5" 2>/dev/null
  shift 5
  exec "$@"
)
echo "ended $?" >&3
`;

interface NamespaceTools {
  readonly unshare: string;
  readonly nsenter: string;
  readonly mount: string;
  readonly chroot: string;
}

interface NamespaceRuntimeOptions {
  readonly tools: MachineTools & NamespaceTools;
  readonly pipes: PipePool;
  /**
   * Whether the runtime creates a user namespace: this process is not root, or is root without the
   * permission to mount.
   */
  readonly userNamespace: boolean;
}

/**
 * Runs each container in mount, PID, IPC and UTS namespaces of its own. The command is PID 1, and
 * each mount has its real path.
 */
export class NamespaceRuntime implements ContainerRuntime {
  readonly isolation = 'namespaces';
  readonly #options: NamespaceRuntimeOptions;

  constructor(options: NamespaceRuntimeOptions) {
    this.#options = options;
  }

  async start(spec: ContainerSpec): Promise<RunningContainer> {
    const { tools, userNamespace, pipes } = this.#options;
    const tables = this.#prepareRoot(spec);
    const user = userNamespace ? ['--user', '--map-root-user'] : [];
    const namespaces = ['--mount', '--pid', '--ipc', '--uts'];
    const root = join(spec.directory, 'root');
    const script = [
      tools.sh,
      '-c',
      rootScript,
      'kw-embedded',
      root,
      tables.machine,
      tables.mounts,
      tools.mount,
      spec.hostname,
    ];
    const inside = [
      tools.chroot,
      ...this.#userArguments(spec.user),
      root,
      '/bin/sh',
      ...launchArguments({ ...spec, tools }),
    ];
    const streams = await pipes.streams({ stdin: false, stdout: true, stderr: true, owner: this.#owner(spec) });
    const child = spawnWith(streams, () =>
      spawn(tools.unshare, [...user, ...namespaces, '--', ...script, ...inside], {
        env: launchEnvironment(spec.environment),
        cwd: '/',
        detached: true,
        stdio: [...streams.child, 'pipe'],
      }),
    );
    const report = followLaunch(child);
    const began = await report.begun;
    return new NamespacedContainer({ child, streams, report, began, exec: (pid, exec) => this.#exec(pid, spec, exec) });
  }

  #prepareRoot(spec: ContainerSpec): { machine: string; mounts: string } {
    makeMountPoints(spec.mounts);
    const root = join(spec.directory, 'root');
    mkdirSync(root);
    const directories = spec.workingDirectory === '/' ? [] : [spec.workingDirectory];
    const steps = planRoot({ mounts: spec.mounts, directories, reserved: reservedNames, lister: machineFiles });
    for (const step of steps) buildStep(root, step);
    chmodSync(join(root, 'tmp'), 0o1777);
    const mountInfo = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
    const own = ownBinds(steps, spec.mounts);
    const tables = { machine: join(spec.directory, 'machine.fstab'), mounts: join(spec.directory, 'mounts.fstab') };
    writeFileSync(
      tables.machine,
      mountTable(
        root,
        steps.filter((step) => !own.has(step)),
        mountInfo,
      ),
    );
    writeFileSync(tables.mounts, mountTable(root, [...own], mountInfo));
    return tables;
  }

  /** A user namespace has only one user, so the spec's user does not apply there. */
  #userArguments(user: ContainerUser | undefined): string[] {
    if (user === undefined || this.#options.userNamespace) return [];
    return [`--userspec=${user.uid}:${user.gid}`, `--groups=${[user.gid, ...user.groups].join(',')}`];
  }

  #owner({ user }: ContainerSpec): ContainerUser | undefined {
    return this.#options.userNamespace ? undefined : user;
  }

  #exec(pid: number, spec: ContainerSpec, exec: ExecSpec): Promise<ExecProcess> {
    const { tools, userNamespace, pipes } = this.#options;
    const user = userNamespace ? ['--user', '--preserve-credentials'] : [];
    const identity = this.#userArguments(spec.user);
    const changeUser = identity.length === 0 ? [] : [tools.chroot, ...identity, '/'];
    const command = [
      tools.nsenter,
      '--target',
      String(pid),
      ...user,
      '--mount',
      '--pid',
      '--ipc',
      '--uts',
      '--root',
      '--wd',
      '--',
      ...changeUser,
    ];
    return startExec({
      entrance: [...command, '/bin/sh'],
      launch: { ...spec, command: exec.command },
      spec: exec,
      owner: this.#owner(spec),
      tools,
      pipes,
    });
  }
}

function buildStep(root: string, step: RootStep): void {
  const path = `${root}${step.path}`;
  if (step.step === 'directory') mkdirSync(path);
  else if (step.step === 'file') writeFileSync(path, '');
  else if (step.step === 'symlink') symlinkSync(step.target, path);
}

/**
 * Returns the binds of the spec's mounts, which are last in a plan. These binds must succeed; binds
 * of the machine's directories may fail.
 */
function ownBinds(steps: readonly RootStep[], mounts: readonly ContainerMount[]): Set<RootStep> {
  return new Set(mounts.length === 0 ? [] : steps.slice(-mounts.length));
}

interface ContainerParts {
  readonly child: ChildProcess;
  readonly streams: StandardStreams;
  readonly report: LaunchReport;
  readonly began: boolean;
  readonly exec: (pid: number, spec: ExecSpec) => Promise<ExecProcess>;
}

class NamespacedContainer implements RunningContainer {
  readonly began: boolean;
  readonly ended: RunningContainer['ended'];
  readonly stdout: RunningContainer['stdout'];
  readonly stderr: RunningContainer['stderr'];
  readonly #parts: ContainerParts;
  #pid: number | undefined;
  #hasEnded = false;

  constructor(parts: ContainerParts) {
    this.#parts = parts;
    this.began = parts.began;
    this.stdout = requireStream(parts.streams.stdout);
    this.stderr = requireStream(parts.streams.stderr);
    void parts.report.pid.then((pid) => {
      this.#pid = pid;
    });
    this.ended = parts.report.ended.then((end) => {
      this.#hasEnded = true;
      return end;
    });
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#hasEnded || this.#pid === undefined) return;
    try {
      process.kill(this.#pid, signal);
    } catch {
      // The process has just ended; `ended` reports it.
    }
  }

  /** Kills PID 1, which ends every process in its namespace. */
  kill(): void {
    this.signal('SIGKILL');
  }

  exec(spec: ExecSpec): Promise<ExecProcess> {
    return this.#parts.exec(this.#pid ?? 0, spec);
  }
}
