import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedClusterError } from './errors.ts';
import { createInitialObjects, describeNode, kubernetesArch } from './initial-objects.ts';
import { type Instance, registerInstance } from './instance-registry.ts';
import type { ContainerRuntime } from './isolation/container-runtime.ts';
import { chooseRuntime } from './isolation/isolation.ts';
import { findTools } from './isolation/machine.ts';
import { PipePool } from './isolation/pipes.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { PodRunner } from './kubelet/pod-runner.ts';
import { instanceMarker } from './markers.ts';
import { isPod } from './objects/api-object.ts';
import { EventRecorder } from './objects/event-recorder.ts';
import { checkDnsLabel } from './objects/names.ts';
import { ObjectStore } from './objects/object-store.ts';
import { type EmbeddedClusterOptions, silentLogger } from './options.ts';
import { ApiServer } from './server/api-server.ts';
import { createCertificates } from './server/certificates.ts';
import { ExecEndpoint } from './server/exec-endpoint.ts';
import { type FaultInjector, FaultRules } from './server/faults.ts';

const historyLength = 2000;

interface ClusterParts {
  readonly instance: Instance;
  readonly store: ObjectStore;
  readonly runner: PodRunner;
  readonly pipes: PipePool;
  readonly server: ApiServer;
  readonly faults: FaultInjector;
  readonly isolation: ContainerRuntime['isolation'];
  readonly port: number;
  readonly kubeconfig: string;
  readonly kubeconfigPath: string;
}

/**
 * A Kubernetes API server on loopback that runs the containers of its pods as processes of this
 * machine, for experiments and for tests. It does not isolate containers from the machine and pulls
 * no images. Linux only. `close()` ends every process and removes every directory that the cluster
 * created.
 *
 * @public
 */
export class EmbeddedCluster implements AsyncDisposable {
  readonly #parts: ClusterParts;
  #apiRunning = true;
  #closing: Promise<void> | undefined;

  private constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  /**
   * Starts a cluster. Also ends the processes and removes the directories of clusters whose host
   * was killed.
   * @throws EmbeddedClusterError on a platform other than Linux, for an invalid option, or if the
   * requested isolation is unavailable
   */
  static async start(options: EmbeddedClusterOptions = {}): Promise<EmbeddedCluster> {
    checkOptions(options);
    const instance = await registerInstance(options.directory, options.logger ?? silentLogger);
    try {
      return new EmbeddedCluster(await startParts(instance, options));
    } catch (error) {
      await instance.release();
      throw error;
    }
  }

  /** The path of a kubeconfig file for kubectl and client libraries. `close()` removes the file. */
  get kubeconfigPath(): string {
    return this.#parts.kubeconfigPath;
  }

  /** The content of the kubeconfig file. */
  get kubeconfig(): string {
    return this.#parts.kubeconfig;
  }

  /** `https://127.0.0.1:PORT` */
  get url(): string {
    return `https://127.0.0.1:${this.#parts.port}`;
  }

  /** The isolation in use. */
  get isolation(): 'namespaces' | 'mapped' {
    return this.#parts.isolation;
  }

  /** The directory of the volumes and logs. */
  get directory(): string {
    return this.#parts.instance.directory;
  }

  /** Injects faults into requests. */
  get faults(): FaultInjector {
    return this.#parts.faults;
  }

  /**
   * Sends a signal to the first process of a container. If the process ends because of the signal,
   * the container's status reports `reason`: `OOMKilled` imitates an out-of-memory kill by the
   * kernel.
   * @throws EmbeddedClusterError `KW_ERR_EMBEDDED_NO_SUCH_CONTAINER`
   */
  killContainer(
    target: { readonly namespace: string; readonly pod: string; readonly container: string },
    signal: NodeJS.Signals = 'SIGKILL',
    reason?: string,
  ): void {
    const pod = this.#parts.store.find('pods', target.namespace, target.pod);
    const sent = isPod(pod) && this.#parts.runner.container(pod, target.container)?.signal(signal, reason) === true;
    if (!sent)
      throw new EmbeddedClusterError(
        'KW_ERR_EMBEDDED_NO_SUCH_CONTAINER',
        `container ${target.container} of pod ${target.namespace}/${target.pod} is not running`,
      );
  }

  /**
   * Stops the API server as a crash would: closes every connection and stops listening. Containers
   * continue to run.
   */
  async stopApi(): Promise<void> {
    this.#apiRunning = false;
    await this.#parts.server.stop();
  }

  /** Starts the API server again, on the same port and with all objects. */
  async startApi(): Promise<void> {
    if (this.#closing !== undefined)
      throw new EmbeddedClusterError('KW_ERR_EMBEDDED_CLOSED', 'the embedded cluster was closed');
    if (this.#apiRunning) return;
    await this.#parts.server.start(this.#parts.port);
    this.#apiRunning = true;
  }

  /**
   * Stops the server, ends every process that the cluster started, and removes every directory that
   * it created. Idempotent.
   * @throws EmbeddedClusterError `KW_ERR_EMBEDDED_NOT_REMOVED`
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the cluster, like `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { server, runner, pipes, instance } = this.#parts;
    await server.stop();
    try {
      await runner.close();
    } finally {
      await pipes.close();
      await instance.release();
    }
  }
}

function checkOptions({
  namespace = 'default',
  port = 0,
  isolation = 'auto',
  crashLoopBackOffMs = 0,
}: EmbeddedClusterOptions): void {
  if (process.platform !== 'linux')
    throw new EmbeddedClusterError(
      'KW_ERR_EMBEDDED_UNSUPPORTED_PLATFORM',
      `the embedded cluster runs on Linux only, not on ${process.platform}`,
    );
  const refuse = (field: string, why: string) =>
    new EmbeddedClusterError('KW_ERR_EMBEDDED_INVALID_OPTION', `option ${field}: ${why}`, { field });
  const fault = checkDnsLabel(namespace);
  if (fault !== undefined) throw refuse('namespace', fault);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw refuse('port', 'must be an integer from 0 to 65535');
  if (!['auto', 'namespaces', 'mapped'].includes(isolation))
    throw refuse('isolation', "must be 'auto', 'namespaces' or 'mapped'");
  if (!(crashLoopBackOffMs >= 0)) throw refuse('crashLoopBackOffMs', 'must not be negative');
}

async function startParts(instance: Instance, options: EmbeddedClusterOptions): Promise<ClusterParts> {
  const {
    namespace = 'default',
    isolation = 'auto',
    port: requestedPort = 0,
    crashLoopBackOffMs = 10_000,
    logger = silentLogger,
  } = options;
  const path = process.env['PATH'] ?? '/usr/bin:/bin';
  const tools = findTools(path);
  const pipes = new PipePool(tools.sh);
  const environment = { PATH: path, HOME: homedir(), [instanceMarker]: instance.id };
  const runtime = await chooseRuntime({
    requested: isolation,
    tools,
    pipes,
    directory: instance.directory,
    environment,
  });
  const store = new ObjectStore({ historyLength, now: Date.now });
  const node = describeNode();
  createInitialObjects(store, node, [namespace]);
  const events = new EventRecorder(store, Date.now);
  let port = requestedPort;
  const runner = new PodRunner({
    store,
    events,
    runtime,
    node,
    logger,
    apiPort: () => port,
    directory: instance.directory,
    instanceId: instance.id,
    recordProcess: (pid) => instance.recordProcess(pid),
    crashLoopBackOffMs,
  });
  const faults = new FaultRules();
  const certificates = createCertificates(new Date());
  const token = randomBytes(32).toString('hex');
  const exec = new ExecEndpoint({ store, runner, terminals: tools.script !== undefined });
  const server = new ApiServer({ store, runner, exec, faults, certificates, token, arch: kubernetesArch(), logger });
  const kubeconfigPath = join(instance.directory, 'kubeconfig');
  let kubeconfig: string;
  try {
    port = await server.start(requestedPort);
    kubeconfig = kubeconfigText({ url: `https://127.0.0.1:${port}`, namespace, token, certificates });
    await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 });
  } catch (error) {
    await server.stop();
    await pipes.close();
    throw error;
  }
  logger.info(`embedded cluster at https://127.0.0.1:${port}, isolation ${runtime.isolation}`);
  return {
    instance,
    store,
    runner,
    pipes,
    server,
    faults,
    isolation: runtime.isolation,
    port,
    kubeconfig,
    kubeconfigPath,
  };
}
