import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import type { V1Container } from '@kubernetes/client-node';
import { sleep } from '../../internal/system-clock.ts';
import { Timer } from '../../internal/timer.ts';
import type { ContainerSpec, ProcessEnd, RunningContainer } from '../isolation/container-runtime.ts';
import { containerMarker, instanceMarker } from '../markers.ts';
import {
  apiTime,
  type ContainerState,
  type ContainerStatus,
  isRecord,
  type Pod,
  type TerminatedState,
} from '../objects/api-object.ts';
import { removeTree } from '../remove-tree.ts';
import { ContainerLog } from './container-log.ts';
import { containerUser, rootRefusal } from './container-user.ts';
import { containerEnvironment, MissingSourceError } from './environment.ts';
import { expandVariables } from './expansion.ts';
import { judgeImage } from './image-name.ts';
import { containerMounts, VolumeNotReadyError, type VolumeSource } from './pod-volumes.ts';
import { nextChange, type RunnerContext } from './runner-context.ts';

const stableAfterMs = 600_000;
const maxBackOffFactor = 30;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface ContainerRunnerOptions {
  readonly context: RunnerContext;
  /** Returns the current pod. */
  readonly pod: () => Pod;
  readonly container: V1Container;
  readonly restart: 'Always' | 'OnFailure' | 'Never';
  /** A directory of this container alone. */
  readonly directory: string;
  /** Called after each change of `status`. */
  readonly onChange: () => void;
}

/** Runs one container of a pod, with all of its restarts, as the kubelet does. */
export class ContainerRunner {
  readonly #options: ContainerRunnerOptions;
  readonly #stopped = new AbortController();
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  #lastState: ContainerState = {};
  #restarts = 0;
  #containerID: string | undefined;
  #running: RunningContainer | undefined;
  #logs: { current?: ContainerLog; previous?: ContainerLog } = {};
  #endReason: string | undefined;
  #settled: Promise<void> = Promise.resolve();

  constructor(options: ContainerRunnerOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.container.name;
  }

  /** The container that currently runs. */
  get running(): RunningContainer | undefined {
    return this.#running;
  }

  get status(): ContainerStatus {
    const running = this.#state.running !== undefined;
    const containerID = this.#containerID;
    return {
      name: this.name,
      state: this.#state,
      lastState: this.#lastState,
      ready:
        running || (this.#options.restart !== 'Always' && this.#state.terminated?.exitCode === 0 && this.#isInit()),
      restartCount: this.#restarts,
      image: this.#options.container.image ?? '',
      imageID: containerID === undefined ? '' : `embedded://${this.#options.container.image ?? ''}`,
      ...(containerID === undefined ? {} : { containerID }),
      started: running,
    };
  }

  log(previous: boolean): ContainerLog | undefined {
    return previous ? this.#logs.previous : this.#logs.current;
  }

  /** Sets the reason why the container does not start yet. */
  wait(reason: string): void {
    this.#setState({ waiting: { reason } });
  }

  /**
   * Runs the container until it ends without a restart or `stop()` is called. Calls `began` after
   * each start.
   */
  run(volumes: ReadonlyMap<string, VolumeSource>, began: () => void = () => undefined): Promise<void> {
    this.#settled = this.#run(volumes, began);
    return this.#settled;
  }

  /**
   * Stops the container without a restart: sends SIGTERM, then SIGKILL after `graceMs`. Resolves
   * when the container has ended. A later call can shorten the grace period.
   */
  async stop(graceMs: number): Promise<void> {
    const running = this.#running;
    if (running !== undefined && !this.#stopped.signal.aborted) {
      this.#record('Normal', 'Killing', `Stopping container ${this.name}`);
      running.signal('SIGTERM');
    }
    this.#stopped.abort();
    const timer = new Timer(graceMs, () => this.#running?.kill());
    // The caller of `run()` handles its rejection.
    await this.#settled.catch(() => undefined);
    timer.clear();
  }

  /**
   * Sends a signal to the first process. If the process ends because of it, the status reports
   * `reason`. Returns `false` if the container does not run.
   */
  signal(signal: NodeJS.Signals, reason: string | undefined): boolean {
    if (this.#running === undefined) return false;
    this.#endReason = reason;
    this.#running.signal(signal);
    return true;
  }

  async #run(volumes: ReadonlyMap<string, VolumeSource>, began: () => void): Promise<void> {
    if (!(await this.#imageIsPresent())) return;
    for (let quickEnds = 0; !this.#stopped.signal.aborted; ) {
      const spec = await this.#prepare(volumes);
      if (spec === undefined) return;
      const startedAt = Date.now();
      const failed = await this.#runOnce(spec, began);
      if (this.#stopped.signal.aborted || !this.#restartsAfter(failed)) return;
      quickEnds = Date.now() - startedAt > stableAfterMs ? 0 : quickEnds + 1;
      await this.#backOff(quickEnds);
      this.#restarts += 1;
    }
  }

  #restartsAfter(failed: boolean): boolean {
    const { restart } = this.#options;
    return restart === 'Always' || (restart === 'OnFailure' && failed);
  }

  /** Does not pause after the first end. Then pauses for the first back-off, doubled each time. */
  async #backOff(quickEnds: number): Promise<void> {
    if (quickEnds <= 1) return;
    const { crashLoopBackOffMs } = this.#options.context;
    const pauseMs = crashLoopBackOffMs * Math.min(2 ** (quickEnds - 2), maxBackOffFactor);
    const { name, namespace, uid } = this.#options.pod().metadata;
    const podLabel = `pod=${name}_${namespace ?? ''}(${uid})`;
    this.#lastState = this.#state;
    this.#setState({
      waiting: {
        reason: 'CrashLoopBackOff',
        message: `back-off ${Math.round(pauseMs / 1000)}s restarting failed container=${this.name} ${podLabel}`,
      },
    });
    this.#record(
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${this.name} in pod ${name}_${namespace ?? ''}(${uid})`,
    );
    await this.#pause(pauseMs);
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, { signal: this.#stopped.signal }).catch(() => undefined);
  }

  async #imageIsPresent(): Promise<boolean> {
    const { container, context } = this.#options;
    const image = container.image ?? '';
    const verdict = judgeImage(image);
    if (verdict.verdict === 'present') {
      this.#record('Normal', 'Pulled', `Container image "${image}" already present on machine`);
      return true;
    }
    if (verdict.verdict === 'invalid') {
      this.#record('Warning', 'InspectFailed', verdict.message);
      this.#record('Warning', 'Failed', 'Error: InvalidImageName');
      this.#setState({ waiting: { reason: 'InvalidImageName', message: verdict.message } });
      return false;
    }
    for (
      let pauseMs = context.crashLoopBackOffMs;
      !this.#stopped.signal.aborted;
      pauseMs = Math.min(pauseMs * 2, context.crashLoopBackOffMs * maxBackOffFactor)
    ) {
      this.#record('Normal', 'Pulling', `Pulling image "${image}"`);
      this.#record('Warning', 'Failed', `Failed to pull image "${image}": ${verdict.message}`);
      this.#record('Warning', 'Failed', 'Error: ErrImagePull');
      this.#setState({ waiting: { reason: 'ErrImagePull', message: verdict.message } });
      await this.#pause(pauseMs / 10);
      this.#record('Normal', 'BackOff', `Back-off pulling image "${image}"`);
      this.#record('Warning', 'Failed', 'Error: ImagePullBackOff');
      this.#setState({
        waiting: {
          reason: 'ImagePullBackOff',
          message: `Back-off pulling image "${image}": ErrImagePull: ${verdict.message}`,
        },
      });
      await this.#pause(pauseMs);
    }
    return false;
  }

  /**
   * Prepares the next start, and waits for missing sources. Resolves with `undefined` if the
   * container is stopped during the wait.
   */
  async #prepare(volumes: ReadonlyMap<string, VolumeSource>): Promise<ContainerSpec | undefined> {
    const { context, pod, container } = this.#options;
    while (!this.#stopped.signal.aborted) {
      try {
        const refusal = rootRefusal(pod(), container);
        if (refusal !== undefined) throw new MissingSourceError(refusal);
        return await this.#spec(volumes);
      } catch (error) {
        if (!(error instanceof MissingSourceError) && !(error instanceof VolumeNotReadyError)) throw error;
        this.#record('Warning', 'Failed', `Error: ${error.message}`);
        this.#setState({ waiting: { reason: 'CreateContainerConfigError', message: error.message } });
        await nextChange(context.store, ['configmaps', 'secrets'], this.#stopped.signal);
      }
    }
    return undefined;
  }

  async #spec(volumes: ReadonlyMap<string, VolumeSource>): Promise<ContainerSpec> {
    const { context, container } = this.#options;
    const pod = this.#options.pod();
    const id = randomBytes(32).toString('hex');
    const user = containerUser(pod, container);
    const base = {
      PATH: process.env['PATH'] ?? defaultPath,
      HOME: user === undefined || user.uid === process.getuid?.() ? homedir() : '/',
      HOSTNAME: pod.spec.hostname ?? pod.metadata.name,
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(context.apiPort()),
    };
    const environment = containerEnvironment({ pod, container, store: context.store, base });
    const variables = new Map(Object.entries(environment));
    const mounts = await containerMounts({ container, volumes, environment: variables });
    const directory = join(this.#options.directory, String(this.#restarts));
    await mkdir(directory, { recursive: true });
    return {
      id,
      directory,
      hostname: base.HOSTNAME,
      command: [...(container.command ?? []), ...(container.args ?? [])].map((word) =>
        expandVariables(word, variables),
      ),
      environment: { ...environment, [instanceMarker]: context.instanceId, [containerMarker]: id },
      workingDirectory: container.workingDir ?? '/',
      mounts,
      user,
    };
  }

  /** Runs one start to its end. Resolves with whether it failed. */
  async #runOnce(spec: ContainerSpec, began: () => void): Promise<boolean> {
    this.#containerID = `embedded://${spec.id}`;
    this.#record('Normal', 'Created', `Created container: ${this.name}`);
    const startedAt = apiTime(Date.now());
    const running = await this.#start(spec);
    this.#openLog(running, `${spec.directory}.log`);
    if (this.#stopped.signal.aborted) running.kill();
    if (running.pid !== undefined) this.#options.context.recordProcess(running.pid);
    if (running.began) {
      this.#running = running;
      this.#endReason = undefined;
      this.#rotateState({ running: { startedAt } });
      this.#record('Normal', 'Started', `Started container ${this.name}`);
      began();
    }
    const end = await running.ended;
    this.#running = undefined;
    await this.#removeRoot(spec);
    const terminated = this.#terminated(end, startedAt);
    if (end.kind === 'refused') this.#record('Warning', 'Failed', `Error: ${terminated.message ?? ''}`);
    this.#rotateState({ terminated });
    return terminated.exitCode !== 0;
  }

  /**
   * Starts the container. If the kernel rejects the command as too long, the container starts,
   * prints the error and ends, as with a container runtime.
   */
  async #start(spec: ContainerSpec): Promise<RunningContainer> {
    const { runtime } = this.#options.context;
    try {
      return await runtime.start(spec);
    } catch (error) {
      if (!isRecord(error) || error['code'] !== 'E2BIG') throw error;
      await this.#removeRoot(spec);
      const { PATH = defaultPath, [instanceMarker]: instance = '' } = spec.environment;
      const command = [
        '/bin/sh',
        '-c',
        'echo "exec $0: argument list too long" >&2; exit 255',
        spec.command[0]?.slice(0, 4096) ?? '',
      ];
      return await runtime.start({
        ...spec,
        command,
        environment: { PATH, [instanceMarker]: instance, [containerMarker]: spec.id },
      });
    }
  }

  async #removeRoot(spec: ContainerSpec): Promise<void> {
    try {
      await removeTree(join(spec.directory, 'root'));
    } catch (error) {
      this.#options.context.logger.warn(
        `container ${this.name}: its root stays until the pod is deleted: ${String(error)}`,
      );
    }
  }

  #openLog(running: RunningContainer, path: string): void {
    const log = new ContainerLog(path);
    log.add(running.stdout);
    log.add(running.stderr);
    this.#logs = { current: log, ...(this.#logs.current === undefined ? {} : { previous: this.#logs.current }) };
  }

  #terminated(end: ProcessEnd, startedAt: string): TerminatedState {
    const containerID = this.#containerID ?? '';
    const finishedAt = apiTime(Date.now());
    if (end.kind === 'refused') {
      const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ${end.message}: unknown`;
      return {
        containerID,
        exitCode: 128,
        reason: 'StartError',
        message,
        startedAt: '1970-01-01T00:00:00Z',
        finishedAt,
      };
    }
    const { exitCode, signal } = end;
    const reason = this.#endReason ?? (exitCode === 0 ? 'Completed' : 'Error');
    const number = signal === undefined ? undefined : constants.signals[signal];
    return {
      containerID,
      exitCode,
      ...(number === undefined ? {} : { signal: number }),
      reason,
      startedAt,
      finishedAt,
    };
  }

  /** Sets the state. The state of the previous start becomes the last state. */
  #rotateState(state: ContainerState): void {
    if (state.running !== undefined && this.#state.terminated !== undefined) this.#lastState = this.#state;
    this.#setState(state);
  }

  #setState(state: ContainerState): void {
    this.#state = state;
    this.#options.onChange();
  }

  #isInit(): boolean {
    return this.#options.pod().spec.initContainers?.some(({ name }) => name === this.name) ?? false;
  }

  #record(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { context, pod } = this.#options;
    context.events.record(pod(), { type, reason, message, component: 'kubelet', container: this.name });
  }
}
