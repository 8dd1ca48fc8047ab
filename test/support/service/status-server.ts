import { type FakeCommand, FakeContainer, type FakeWorker, scriptProcesses } from '../../../fakes/index.ts';
import type { StatusSection } from '../../../src/service/config/sections/service.ts';
import type { HttpLimits } from '../../../src/service/status/http/http-limits.ts';
import type { HttpServer } from '../../../src/service/status/http/http-server.ts';
import { startStatusServer } from '../../../src/service/status/status-server.ts';
import { ScriptedHealth } from './status-rig.ts';

/** A status server on a port of loopback, over a fake worker with one container `c`. */
export interface RunningStatusServer extends AsyncDisposable {
  readonly server: HttpServer;
  readonly url: string;
  readonly health: ScriptedHealth;
  readonly worker: FakeWorker;
  readonly container: FakeContainer;
  readonly warnings: string[];
}

export async function runStatusServer({
  config = {},
  limits = {},
  commands = {},
}: {
  readonly config?: Partial<StatusSection>;
  readonly limits?: Partial<HttpLimits>;
  readonly commands?: Readonly<Record<string, FakeCommand>>;
} = {}): Promise<RunningStatusServer> {
  const health = new ScriptedHealth();
  const worker = health.worker!;
  const container = new FakeContainer({ handle: 'c' });
  scriptProcesses(container, commands);
  container.describe.resolves({ podName: 'p', podUid: 'u', phase: 'Running', conditions: [], containers: [] });
  for (const id of Object.keys(commands)) {
    const process = await container.run({ id, path: id }, {});
    await process[Symbol.asyncDispose]();
  }
  const facts = { owner: { kind: 'k', key: 'k' }, podName: 'p', podUid: 'u', metadata: {}, createdAt: new Date(0) };
  const info = { handle: 'c', state: 'created', ...facts } as const;
  worker.listContainers.resolves({ containers: [info] });
  const process = { id: 'task', state: 'running' } as const;
  worker.listProcesses.resolves({ processes: [{ container: info, process }], unavailable: [] });
  worker.listVolumes.resolves({ volumes: [] });
  worker.lookupContainer.resolves(container);
  worker.info.resolves({
    name: 'ci',
    state: 'running',
    activeContainers: 1,
    activeVolumes: 0,
    registeredAt: new Date(0),
  });
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const server = await startStatusServer({
    config: { host: '127.0.0.1', port: 0, auth: 'none', allowUnauthenticated: false, ...config },
    health,
    version: '1.2.3',
    logger: { warn, error: warn },
    limits: { checkEveryMs: 50, ...limits },
  });
  const close = async (): Promise<void> => await server.close({ graceMs: 0 });
  return { server, url: server.url, health, worker, container, warnings, [Symbol.asyncDispose]: close };
}
