import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedClusterError } from '../errors.ts';
import { removeTree } from '../remove-tree.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import type { MachineTools } from './machine.ts';
import { MappedRuntime } from './mapped-runtime.ts';
import { NamespaceRuntime } from './namespace-runtime.ts';
import type { PipePool } from './pipes.ts';

interface IsolationRequest {
  readonly requested: 'auto' | 'namespaces' | 'mapped';
  readonly tools: MachineTools;
  readonly pipes: PipePool;
  /** The directory in which a probe container may run. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Chooses the isolation by running a probe container: in namespaces as this user, else in
 * namespaces within a user namespace, else with mapped paths.
 * @throws EmbeddedClusterError `KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE` if namespaces are requested
 * and unavailable
 */
export async function chooseRuntime(request: IsolationRequest): Promise<ContainerRuntime> {
  const { requested, tools, pipes } = request;
  if (requested === 'mapped') return new MappedRuntime(tools, pipes);
  const problems: string[] = [];
  for (const userNamespace of process.getuid?.() === 0 ? [false, true] : [true]) {
    const { unshare, nsenter, mount, chroot } = tools;
    if (unshare === undefined || nsenter === undefined || mount === undefined || chroot === undefined) {
      problems.push('unshare, nsenter, mount or chroot is not installed');
      break;
    }
    const runtime = new NamespaceRuntime({
      tools: { ...tools, unshare, nsenter, mount, chroot },
      pipes,
      userNamespace,
    });
    const problem = await probe(runtime, request);
    if (problem === undefined) return runtime;
    problems.push(problem);
  }
  if (requested === 'auto') return new MappedRuntime(tools, pipes);
  throw new EmbeddedClusterError(
    'KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE',
    `this machine cannot run containers in namespaces: ${problems.join('; ')}`,
    {
      field: 'isolation',
    },
  );
}

/**
 * Runs a container that uses the features that every container needs: a mount at a path that the
 * machine lacks, PID 1, and an exec. Resolves with the failure, or with `undefined` on success.
 */
async function probe(
  runtime: ContainerRuntime,
  { directory, environment }: IsolationRequest,
): Promise<string | undefined> {
  const place = join(directory, 'probe');
  try {
    await removeTree(place);
    await mkdir(join(place, 'volume'), { recursive: true });
    const check = '[ "$$" = 1 ] && [ -d /proc/self ] && echo ok >/.kw-embedded-probe/file';
    const container = await runtime.start({
      id: 'probe',
      directory: place,
      hostname: 'probe',
      command: ['sh', '-c', check],
      environment,
      workingDirectory: '/',
      mounts: [{ path: '/.kw-embedded-probe', source: join(place, 'volume'), kind: 'directory', readOnly: false }],
      user: undefined,
    });
    container.stdout.resume();
    let problem = '';
    container.stderr.on('data', (chunk: Buffer) => {
      problem += chunk.toString('utf8');
    });
    const end = await container.ended;
    if (end.kind === 'exited' && end.exitCode === 0) return undefined;
    return problem.trim() || (end.kind === 'refused' ? end.message : `exit status ${end.exitCode}`);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await removeTree(place);
  }
}
