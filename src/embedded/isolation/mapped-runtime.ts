import { type ChildProcess, spawn } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, rmdirSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { containerMarker } from '../markers.ts';
import type {
  ContainerMount,
  ContainerRuntime,
  ContainerSpec,
  ExecProcess,
  ExecSpec,
  ProcessEnd,
  RunningContainer,
} from './container-runtime.ts';
import { startExec } from './exec-process.ts';
import { followLaunch, launchArguments, launchEnvironment, spawnWith } from './launch.ts';
import type { MachineTools } from './machine.ts';
import { nestedPoints } from './mount-points.ts';
import { mapPaths, type PathMapping, pathMapVariable } from './path-map.ts';
import type { PipePool, StandardStreams } from './pipes.ts';
import { findMarked, killProcess } from './processes.ts';
import { requireStream } from './streams.ts';

const killRounds = 20;

/**
 * Runs containers as plain processes, for machines that do not allow namespaces. Replaces mount
 * paths in the command, in the values of the environment and in the working directory by the
 * directories behind them. `KW_PATH_MAP` instructs the agent to do the same. Paths within a program
 * are not mapped.
 */
export class MappedRuntime implements ContainerRuntime {
  readonly isolation = 'mapped';
  readonly #tools: MachineTools;
  readonly #pipes: PipePool;

  constructor(tools: MachineTools, pipes: PipePool) {
    this.#tools = tools;
    this.#pipes = pipes;
  }

  async start(spec: ContainerSpec): Promise<RunningContainer> {
    linkNestedMounts(spec.mounts);
    const mapped = this.#map(spec);
    const streams = await this.#pipes.streams({ stdin: false, stdout: true, stderr: true, owner: mapped.identity });
    const launch = (command: readonly string[]) => ({ tools: this.#tools, ...mapped, command: mapped.words(command) });
    const child = spawnWith(streams, () =>
      spawn(this.#tools.sh, launchArguments(launch(spec.command)), {
        env: launchEnvironment(mapped.environment),
        cwd: '/',
        detached: true,
        stdio: [...streams.child, 'pipe'],
        ...mapped.identity,
      }),
    );
    const report = followLaunch(child);
    const began = await report.begun;
    const exec = (request: ExecSpec) =>
      startExec({
        entrance: [this.#tools.sh],
        launch: launch(request.command),
        spec: request,
        tools: this.#tools,
        pipes: this.#pipes,
        ...(mapped.identity === undefined ? {} : { identity: mapped.identity, owner: mapped.identity }),
      });
    return new MappedContainer({ child, streams, began, ended: report.ended, spec, exec });
  }

  #map(spec: ContainerSpec) {
    const mappings: PathMapping[] = spec.mounts.map((mount) => ({ from: mount.path, to: mount.source }));
    const map = (text: string) => mapPaths(text, mappings);
    const values = Object.entries(spec.environment).map(
      ([name, value]) => [name, name === 'PATH' ? value : map(value)] as const,
    );
    const { user } = spec;
    return {
      workingDirectory: map(spec.workingDirectory),
      environment: { ...Object.fromEntries(values), KW_PATH_MAP: pathMapVariable(mappings) },
      words: (words: readonly string[]) => words.map(map),
      identity: user === undefined || process.getuid?.() !== 0 ? undefined : { uid: user.uid, gid: user.gid },
    };
  }
}

/**
 * Creates a link for each mount within another mount, so that relative paths from the outer mount
 * reach it.
 */
function linkNestedMounts(mounts: readonly ContainerMount[]): void {
  for (const { mount, point } of nestedPoints(mounts)) {
    const there = lstatSync(point, { throwIfNoEntry: false });
    if (there !== undefined) {
      // The first container of the pod has already created the link.
      if (there.isSymbolicLink() || mount.kind !== 'directory' || !isEmptyDirectory(point)) continue;
      rmdirSync(point);
    }
    mkdirSync(dirname(point), { recursive: true });
    symlinkSync(mount.source, point);
  }
}

function isEmptyDirectory(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch {
    return false;
  }
}

interface ContainerParts {
  readonly child: ChildProcess;
  readonly streams: StandardStreams;
  readonly began: boolean;
  readonly ended: Promise<ProcessEnd>;
  readonly spec: ContainerSpec;
  readonly exec: (spec: ExecSpec) => Promise<ExecProcess>;
}

class MappedContainer implements RunningContainer {
  readonly began: boolean;
  readonly ended: RunningContainer['ended'];
  readonly stdout: RunningContainer['stdout'];
  readonly stderr: RunningContainer['stderr'];
  readonly exec: RunningContainer['exec'];
  readonly #child: ChildProcess;
  readonly #id: string;

  constructor({ child, streams, began, ended, spec, exec }: ContainerParts) {
    this.began = began;
    this.#child = child;
    this.#id = spec.id;
    this.stdout = requireStream(streams.stdout);
    this.stderr = requireStream(streams.stderr);
    this.exec = exec;
    this.ended = ended.then((end) => {
      this.#killRest();
      return end;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
    this.#killRest();
  }

  /**
   * Kills every process with the container's marker until no new one appears. Without a PID
   * namespace the other processes survive the end of the first one.
   */
  #killRest(): void {
    for (let round = 0; round < killRounds; round += 1) {
      const left = findMarked(containerMarker, this.#id);
      if (left.length === 0) return;
      left.forEach(killProcess);
    }
  }
}
