// Replaced by `../config/` as soon as it exists.
import type { Database } from '../../index.ts';

export interface ServiceConfig {
  readonly worker: { readonly name: string; readonly namespace?: string; readonly kubeconfig?: string };
  readonly database: { readonly url?: string };
}

export interface LoadedConfig {
  readonly config: ServiceConfig;
}

export interface ConfigKey {
  readonly path: string;
  readonly flag: string;
  readonly env: string;
  readonly summary: string;
}

export const configKeys: readonly ConfigKey[] = [
  { path: 'worker.name', flag: '--worker-name', env: 'KW_WORKER_NAME', summary: 'name of the worker' },
  {
    path: 'worker.namespace',
    flag: '--worker-namespace',
    env: 'KW_WORKER_NAMESPACE',
    summary: 'namespace of the pods',
  },
  {
    path: 'worker.kubeconfig',
    flag: '--worker-kubeconfig',
    env: 'KW_WORKER_KUBECONFIG',
    summary: 'path of a kubeconfig',
  },
  { path: 'database.url', flag: '--database-url', env: 'KW_DATABASE_URL', summary: 'URL of the database' },
];

export interface LoadConfigOptions {
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: Readonly<Record<string, string>>;
}

export async function loadConfig({ env, flags }: LoadConfigOptions): Promise<LoadedConfig> {
  const value = (path: string): string | undefined =>
    flags[path] ?? env[configKeys.find((key) => key.path === path)?.env ?? ''];
  const [name = 'default', namespace, kubeconfig] = [
    value('worker.name'),
    value('worker.namespace'),
    value('worker.kubeconfig'),
  ];
  const url = value('database.url');
  return {
    config: {
      worker: {
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(kubeconfig === undefined ? {} : { kubeconfig }),
      },
      database: url === undefined ? {} : { url },
    },
  };
}

export async function workerOptionsOf({ worker, database }: ServiceConfig): Promise<{
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly kubeConfig?: string | undefined;
  readonly database: Database;
}> {
  return {
    name: worker.name,
    namespace: worker.namespace,
    kubeConfig: worker.kubeconfig,
    database: database.url ?? '',
  };
}
