import type { KubernetesWorkerOptions } from '../../index.ts';
import { ConfigError } from './config-error.ts';

/** The options that are not keys of the configuration: objects and functions of the program, and its role. */
type NotConfigured = 'signal' | 'mask' | 'logger' | 'clock' | 'leaderElection' | 'register';

/** The key, or the section, of each option that is configuration. */
export const optionKeys: Readonly<Record<Exclude<keyof KubernetesWorkerOptions, NotConfigured>, string>> = {
  name: 'worker.name',
  kubeConfig: 'worker.kubeconfig',
  namespace: 'worker.namespace',
  database: 'database.url',
  migrate: 'database.migrate',
  volumeImage: 'worker.volumeImage',
  images: 'images',
  architecture: 'worker.architecture',
  agentBinary: 'worker.agentBinary',
  agentConfigMap: 'worker.agentConfigMap',
  podObservation: 'worker.podObservation',
  pods: 'pods',
  labelPrefix: 'worker.labelPrefix',
  stores: 'stores',
  privilegedTeams: 'worker.privilegedTeams',
  startTimeoutMs: 'limits.startTimeoutMs',
  imagePullTimeoutMs: 'limits.imagePullTimeoutMs',
  schedulingTimeoutMs: 'limits.schedulingTimeoutMs',
  maxWaitingForQuota: 'limits.maxWaitingForQuota',
  reconnectTimeoutMs: 'limits.reconnectTimeoutMs',
  execProtocols: 'worker.execProtocols',
  traceEnvironment: 'worker.traceEnvironment',
  transfers: 'transfers',
  maxAttachments: 'limits.maxAttachments',
  artifactTimeToLiveMs: 'artifacts.timeToLiveMs',
  cacheTimeToLiveMs: 'caches.timeToLiveMs',
  caches: 'caches',
  leaseMs: 'limits.leaseMs',
  hijackGraceMs: 'limits.hijackGraceMs',
  finishedOwnerTtlMs: 'retention.finishedOwnerTtlMs',
  retention: 'retention',
  reapEveryMs: 'reaper.everyMs',
  heartbeatEveryMs: 'registrar.heartbeatEveryMs',
};

/** The keys of options that come from files. */
const fileKeys: Readonly<Record<string, string>> = {
  'stores.s3.ca': 'stores.s3.caFile',
  'stores.s3.credentials': 'stores.s3.accessKeyIdFile',
};

/** Returns the options if the library accepts them. @throws ConfigError that names the key */
export async function checkedByLibrary(options: KubernetesWorkerOptions): Promise<KubernetesWorkerOptions> {
  const { checkWorkerOptions, InvalidSpecError } = await import('../../index.ts');
  try {
    checkWorkerOptions(options);
    return options;
  } catch (error) {
    if (!(error instanceof InvalidSpecError)) throw error;
    const problem = error.message.slice(`${error.field}: `.length);
    throw new ConfigError([{ path: keyOfField(error.field), problem }]);
  }
}

/** Returns the key of a field of the options, such as `worker.volumeImage` for `volumeImage`. */
export function keyOfField(field: string): string {
  const [, option = '', rest = ''] = /^(\w+)(.*)$/.exec(field) ?? [];
  const key = Object.hasOwn(optionKeys, option) ? optionKeys[option as keyof typeof optionKeys] : option;
  const whole = key + rest;
  return fileKeys[whole] ?? whole;
}
