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
  readonly wanted: 'auto' | 'namespaces' | 'mapped';
  readonly tools: MachineTools;
  readonly pipes: PipePool;
  /** Where a container may be tried out. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Chooses how containers run, by running one: in namespaces as this user, else in namespaces within a user namespace, else with mapped paths.
 * @throws EmbeddedClusterError `KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE` where namespaces are wanted and refused
 */
export async function chooseRuntime(request: IsolationRequest): Promise<ContainerRuntime> {
  const { wanted, tools, pipes } = request;
  if (wanted === 'mapped') return new MappedRuntime(tools, pipes);
  const complaints: string[] = [];
  for (const userNamespace of process.getuid?.() === 0 ? [false, true] : [true]) {
    const { unshare, nsenter, mount, chroot } = tools;
    if (unshare === undefined || nsenter === undefined || mount === undefined || chroot === undefined) {
      complaints.push('unshare, nsenter, mount or chroot is not installed');
      break;
    }
    const runtime = new NamespaceRuntime({
      tools: { ...tools, unshare, nsenter, mount, chroot },
      pipes,
      userNamespace,
    });
    const complaint = await tryOut(runtime, request);
    if (complaint === undefined) return runtime;
    complaints.push(complaint);
  }
  if (wanted === 'auto') return new MappedRuntime(tools, pipes);
  throw new EmbeddedClusterError(
    'KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE',
    `this machine runs no container in namespaces: ${complaints.join('; ')}`,
    {
      field: 'isolation',
    },
  );
}

/** Runs a container that uses what all of them use: a mount at a path that doesn't exist, PID 1, and an exec. */
async function tryOut(
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
    let complaint = '';
    container.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString('utf8');
    });
    const end = await container.ended;
    if (end.kind === 'exited' && end.exitCode === 0) return undefined;
    return complaint.trim() || (end.kind === 'refused' ? end.message : `exit status ${end.exitCode}`);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await removeTree(place);
  }
}
