import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';

import { type Container, type ContainerSpec, KubernetesWorker, type VolumeMount } from '../../../src/index.ts';
import { sharedPostgresUrl } from '../database/postgres.ts';

export interface WorldOptions {
  readonly kubeconfigPath: string;
  readonly namespace: string;
  readonly image: string;
}

/** A worker with a database of its own, which commands in child processes use as well. */
export interface CliWorld extends AsyncDisposable {
  readonly worker: KubernetesWorker;
  /** The environment of commands. */
  readonly env: Readonly<Record<string, string>>;
  /** A folder of this machine. */
  readonly home: string;
  /** Creates a database without a schema, which ends with the world. Returns its URL. */
  emptyDatabase(): Promise<string>;
  /** Runs a statement in the database of the worker. */
  query(statement: string): Promise<void>;
  container(parts?: Partial<ContainerSpec>): Promise<{ container: Container; mounts: readonly VolumeMount[] }>;
}

export async function cliWorld({ kubeconfigPath, namespace, image }: WorldOptions): Promise<CliWorld> {
  const server = await sharedPostgresUrl();
  const name = `cli_${randomUUID().replaceAll('-', '')}`;
  const databases = [name];
  await onServer(server, `create database ${name}`);
  const url = server.replace(/\/[^/]*$/, `/${name}`);
  const worker = await KubernetesWorker.open({
    name,
    kubeConfig: kubeconfigPath,
    namespace,
    database: url,
    volumeImage: image,
  });
  const home = await mkdtemp(join(tmpdir(), 'kw-cli-'));
  return {
    worker,
    home,
    env: {
      KW_WORKER_NAME: name,
      KW_WORKER_NAMESPACE: namespace,
      KW_WORKER_KUBECONFIG: kubeconfigPath,
      KW_DATABASE_URL: url,
    },
    emptyDatabase: async () => {
      const empty = `${name}_${databases.length}`;
      await onServer(server, `create database ${empty}`);
      databases.push(empty);
      return server.replace(/\/[^/]*$/, `/${empty}`);
    },
    query: (statement) => onServer(url, statement),
    container: (parts = {}) =>
      worker.findOrCreateContainer({ kind: 'cli-test', key: randomUUID() }, { image, dir: '/kw-cli/work', ...parts }),
    [Symbol.asyncDispose]: async () => {
      const { containers } = await worker.listContainers({ limit: 1000 });
      for (const { owner } of containers) await worker.ownerFinished(owner);
      await worker.reap();
      await worker.close();
      for (const database of databases) await onServer(server, `drop database ${database} with (force)`);
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
