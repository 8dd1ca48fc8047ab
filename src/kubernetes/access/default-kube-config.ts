import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

import { readKubeConfig } from './kube-config-files.ts';
import { LoadedConfig } from './loaded-config.ts';

/** The places that the default rules search. */
export interface DefaultPlaces {
  readonly environment: NodeJS.ProcessEnv;
  /** The folder of the pod's service account. */
  readonly serviceAccount: string;
}

/** The folder that Kubernetes mounts into a pod. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Applies kubectl's rules: the files of `KUBECONFIG`, else `~/.kube/config`; if these are empty,
 * the service account of the pod in which this process runs.
 */
export async function loadDefaultKubeConfig(places: DefaultPlaces): Promise<LoadedConfig> {
  const paths = pathsOf(places);
  const config = await readKubeConfig(paths, { mayBeMissing: true });
  const { clusters = [], contexts = [] } = config?.entries ?? {};
  if (config !== undefined && clusters.length + contexts.length > 0) return config;
  return inClusterConfig(places) ?? fail(places, paths);
}

/** Returns a description for messages. */
export function describeDefaults({ environment }: DefaultPlaces): string {
  const list = environment['KUBECONFIG'];
  return list === undefined || list === '' ? 'the default configuration' : `KUBECONFIG=${list}`;
}

function pathsOf({ environment }: DefaultPlaces): readonly string[] {
  const list = environment['KUBECONFIG'];
  if (list === undefined || list === '') return [join(environment['HOME'] ?? homedir(), '.kube', 'config')];
  return [...new Set(list.split(delimiter))].filter((path) => path !== '');
}

function inClusterConfig({ environment, serviceAccount }: DefaultPlaces): LoadedConfig | undefined {
  const [host = '', port = ''] = [environment['KUBERNETES_SERVICE_HOST'], environment['KUBERNETES_SERVICE_PORT']];
  const tokenFile = join(serviceAccount, 'token');
  if (host === '' || port === '' || !existsSync(tokenFile)) return undefined;
  const namespaceFile = join(serviceAccount, 'namespace');
  const namespace = existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined;
  return new LoadedConfig({
    clusters: [
      {
        name: 'inCluster',
        server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
        caFile: join(serviceAccount, 'ca.crt'),
        skipTLSVerify: false,
      },
    ],
    users: [{ name: 'inClusterUser', authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [
      { name: 'inClusterContext', cluster: 'inCluster', user: 'inClusterUser', ...(namespace ? { namespace } : {}) },
    ],
    currentContext: 'inClusterContext',
  });
}

function fail({ environment, serviceAccount }: DefaultPlaces, paths: readonly string[]): never {
  const looked = paths.map((path) => `${path} ${existsSync(path) ? 'is empty' : 'does not exist'}`);
  const isSet = (environment['KUBECONFIG'] ?? '') !== '';
  const inPod =
    environment['KUBERNETES_SERVICE_HOST'] === undefined
      ? 'KUBERNETES_SERVICE_HOST is not set, so this process does not run in a pod'
      : `${join(serviceAccount, 'token')} does not exist`;
  const advice = 'set KUBECONFIG, or set the option kubeConfig to a path or a configuration';
  throw new Error(
    [isSet ? '' : 'KUBECONFIG is not set', ...looked, inPod, advice].filter((part) => part !== '').join('; '),
  );
}
