import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

import { chartFolder } from './helm.ts';
import type { Values } from './values.ts';

/** Another valid value for a key of the chart. */
export interface ValueChange {
  readonly to: unknown;
  /** Values under which the key matters, beside those of every key. */
  readonly with?: Values;
}

interface Alerts {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[];
}

const alerts = parse(readFileSync(join(chartFolder, 'files/alerts.yaml'), 'utf8')) as Alerts;
const alert = alerts.groups[0]?.rules[0]?.alert;
const anotherPeer = [{ podSelector: { matchLabels: { another: 'peer' } } }];
const anotherRule = { ports: [{ protocol: 'TCP', port: 8443 }] };
const ownConfigMap = { config: null, existingConfigMap: 'own' };
const withoutScaler = { autoscaling: { enabled: false } };
const rollout = { rollout: { enabled: true } };
const withToken = { config: { status: { auth: 'token' } } };

/**
 * How each leaf of `values.yaml` changes, where it is not enough to turn a switch, to add 1 to a number and to write another text.
 * The values are those of every key.
 */
export const valueChanges: Readonly<Record<string, ValueChange>> = {
  commonLabels: { to: { another: 'label' } },
  commonAnnotations: { to: { another: 'annotation' } },
  extraObjects: { to: [] },
  'image.tag': { to: '9.9.9' },
  'image.digest': { to: `sha256:${'0'.repeat(64)}`, with: { image: { tag: '' } } },
  'image.pullPolicy': { to: 'Always' },
  imagePullSecrets: { to: ['another'] },
  'secretKeys.statusToken': { to: 'another', with: withToken },
  config: { to: { limits: { leaseMs: 45_000 } } },
  existingConfigMap: { to: 'another', with: ownConfigMap },
  replicaCount: { to: 3, with: withoutScaler },
  strategy: { to: { type: 'Recreate' } },
  'podDisruptionBudget.enabled': { to: false },
  'podDisruptionBudget.maxUnavailable': { to: 2 },
  'autoscaling.metrics': { to: [] },
  'autoscaling.behavior': { to: { scaleDown: { stabilizationWindowSeconds: 60 } } },
  'rollout.strategy': { to: { canary: { maxSurge: 2 } }, with: rollout },
  'steps.podSecurity': { to: 'privileged' },
  'steps.serviceAccount.annotations': { to: { another: 'annotation' } },
  'steps.networkPolicy.mode': { to: 'deny-all', with: { steps: { networkPolicy: { egress: [] } } } },
  'steps.networkPolicy.egress': { to: [{ to: anotherPeer, ...anotherRule }] },
  'steps.networkPolicy.ingress': { to: [{ from: anotherPeer, ...anotherRule }] },
  'rbac.extraRules': { to: [] },
  'rbac.extraSubjects': { to: [] },
  'serviceAccount.create': { to: false, with: { serviceAccount: { name: 'own' } } },
  'serviceAccount.annotations': { to: { another: 'annotation' } },
  'steps.serviceAccount.create': { to: false },
  'service.type': { to: 'NodePort' },
  'service.annotations': { to: { another: 'annotation' } },
  'service.ports.http': { to: 80 },
  'store.pvc.size': { to: '60Gi' },
  'store.pvc.accessModes': { to: ['ReadWriteMany'] },
  'store.pvc.annotations': { to: { another: 'annotation' } },
  'networkPolicy.enabled': { to: false },
  'networkPolicy.apiServer.to': { to: anotherPeer },
  'networkPolicy.apiServer.ports': { to: [443] },
  'networkPolicy.database.to': { to: anotherPeer },
  'networkPolicy.database.ports': { to: [5433] },
  'networkPolicy.dns.to': { to: anotherPeer },
  'networkPolicy.dns.ports': { to: [1053] },
  'networkPolicy.clients': { to: anotherPeer },
  'networkPolicy.scrapers': { to: anotherPeer },
  'networkPolicy.extraEgress': { to: [] },
  'resources.requests.cpu': { to: '200m' },
  'resources.requests.memory': { to: '200Mi' },
  'resources.requests.ephemeral-storage': { to: '65Mi' },
  'resources.limits.memory': { to: '600Mi' },
  'resources.limits.ephemeral-storage': { to: '600Mi' },
  tmpSizeLimit: { to: '200Mi' },
  'podSecurityContext.seccompProfile.type': {
    to: 'Localhost',
    with: { podSecurityContext: { seccompProfile: { localhostProfile: 'own.json' } } },
  },
  'containerSecurityContext.capabilities.drop': { to: ['ALL', 'NET_RAW'] },
  extraEnv: { to: [] },
  extraEnvFrom: { to: [] },
  extraVolumes: { to: [{ name: 'ca', emptyDir: { sizeLimit: '1Mi' } }] },
  extraVolumeMounts: { to: [{ name: 'ca', mountPath: '/another' }] },
  podLabels: { to: { another: 'label' } },
  podAnnotations: { to: { another: 'annotation' } },
  nodeSelector: { to: { another: 'node' } },
  tolerations: { to: [] },
  affinity: { to: { podAntiAffinity: {} } },
  topologySpreadConstraints: {
    to: [{ maxSkew: 2, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' }],
  },
  dnsPolicy: { to: 'Default' },
  dnsConfig: { to: { searches: ['example.com'] } },
  hostAliases: { to: [] },
  'serviceMonitor.labels': { to: { another: 'label' } },
  'serviceMonitor.interval': { to: '45s' },
  'serviceMonitor.scrapeTimeout': { to: '5s' },
  'serviceMonitor.relabelings': { to: [] },
  'serviceMonitor.metricRelabelings': { to: [] },
  'prometheusRule.labels': { to: { another: 'label' } },
  'prometheusRule.disabled': { to: [alert] },
  'prometheusRule.runbookUrl': { to: 'https://example.com/another' },
  'dashboards.labels.grafana_dashboard': { to: '2' },
  'dashboards.annotations': { to: { another: 'annotation' } },
  'jobs.migrate.annotations': { to: { 'argocd.argoproj.io/hook': 'PreSync' } },
  'prepull.images': { to: [{ image: 'another:1', command: ['/bin/true'] }] },
  'prepull.idle.command': { to: ['/another'] },
  'prepull.nodeSelector': { to: { another: 'node' } },
  'prepull.tolerations': { to: [] },
};
