import * as v from 'valibot';

import type { PodOptions, PodToleration } from '../kubernetes/pod-options.ts';
import type { KubernetesWorkerOptions } from '../kubernetes-worker.ts';
import type { TransferOptions } from '../runtime/transfer-options.ts';
import {
  optionalBoolean,
  optionalNumber,
  optionalSignal,
  optionalText,
  optionalTextByName,
  optionalTexts,
  text,
  withMethods,
} from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

const toleration = v.object({
  key: optionalText,
  operator: v.optional(v.picklist(['Exists', 'Equal'])),
  value: optionalText,
  effect: v.optional(v.picklist(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
  tolerationSeconds: optionalNumber,
} satisfies FieldsOf<PodToleration>);

const pods = v.object({
  serviceAccountName: optionalText,
  automountServiceAccountToken: optionalBoolean,
  imagePullSecrets: optionalTexts,
  nodeSelector: optionalTextByName,
  tolerations: v.optional(v.array(toleration)),
  priorityClassName: optionalText,
  runtimeClassName: optionalText,
  security: v.optional(v.picklist(['default', 'restricted'])),
  runAsUser: optionalNumber,
  runAsGroup: optionalNumber,
  runAsNonRoot: optionalBoolean,
  fsGroup: optionalNumber,
  supplementalGroups: v.optional(v.array(v.number())),
  readOnlyRootFilesystem: optionalBoolean,
  dropCapabilities: optionalTexts,
  seccompProfile: v.optional(v.picklist(['RuntimeDefault', 'Unconfined'])),
} satisfies FieldsOf<PodOptions>);

const transfers = v.object({
  maxConcurrent: optionalNumber,
  stallTimeoutMs: optionalNumber,
  firstRetryMs: optionalNumber,
  longestRetryMs: optionalNumber,
  windowBytes: optionalNumber,
} satisfies FieldsOf<TransferOptions>);

const textOrObject = (noun: string): v.GenericSchema =>
  v.custom((value) => typeof value === 'string' || (typeof value === 'object' && value !== null), noun);

const textOrFunction = (noun: string): v.GenericSchema =>
  v.custom((value) => typeof value === 'string' || typeof value === 'function', noun);

export const workerOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  name: text,
  kubeConfig: v.optional(textOrObject('the path of a kubeconfig or a KubeConfig')),
  namespace: optionalText,
  database: textOrObject('a URL, a pool with connect(), or a PGlite instance'),
  migrate: optionalBoolean,
  volumeImage: optionalText,
  architecture: v.optional(v.picklist(['amd64', 'arm64'])),
  agentBinary: v.optional(textOrFunction('a path or a function that returns one')),
  pods: v.optional(pods),
  startTimeoutMs: optionalNumber,
  imagePullTimeoutMs: optionalNumber,
  schedulingTimeoutMs: optionalNumber,
  reconnectTimeoutMs: optionalNumber,
  execProtocols: optionalTexts,
  transfers: v.optional(transfers),
  maxAttachments: optionalNumber,
  artifactTimeToLiveMs: optionalNumber,
  leaseMs: optionalNumber,
  hijackGraceMs: optionalNumber,
  logger: v.optional(withMethods('a logger with debug, info, warn and error', ['debug', 'info', 'warn', 'error'])),
  clock: v.optional(withMethods('a clock with now and sleep', ['now', 'sleep'])),
} satisfies FieldsOf<KubernetesWorkerOptions>);
