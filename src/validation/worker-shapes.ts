import * as v from 'valibot';

import type { AgentConfigMapOptions } from '../agent-manifest.ts';
import type { MigrateDatabaseOptions } from '../migrate-database.ts';
import type { CacheOptions } from '../runtime/caches.ts';
import type { ImageOptions, ImagePolicy, ImageRule } from '../runtime/image.ts';
import type { RetentionOptions } from '../runtime/retention.ts';
import type { TransferOptions } from '../runtime/transfer-options.ts';
import type { KubernetesWorkerOptions } from '../worker-options.ts';
import {
  optionalBoolean,
  optionalFunction,
  optionalNumber,
  optionalSignal,
  optionalText,
  optionalTextByName,
  optionalTexts,
  text,
  withMethods,
} from './common-shapes.ts';
import { podOptions } from './pod-shapes.ts';
import type { FieldsOf } from './shape.ts';
import { storesOptions } from './stores-shapes.ts';

const transfers = v.object({
  maxConcurrent: optionalNumber,
  stallTimeoutMs: optionalNumber,
  firstRetryMs: optionalNumber,
  longestRetryMs: optionalNumber,
  windowBytes: optionalNumber,
} satisfies FieldsOf<TransferOptions>);

const caches = v.strictObject({
  maxBytes: optionalNumber,
  maxKeyBytes: optionalNumber,
  maxCount: optionalNumber,
} satisfies FieldsOf<CacheOptions>);

const retention = v.strictObject({
  maxContainers: optionalNumber,
  maxAgeMs: optionalNumber,
} satisfies FieldsOf<RetentionOptions>);

const imageRule = v.object({
  name: text,
  team: optionalText,
  pipeline: optionalText,
  step: optionalText,
  image: optionalText,
  allow: optionalTexts,
  deny: optionalTexts,
} satisfies FieldsOf<ImageRule>);

const images = v.object({
  registryPrefix: optionalText,
  pullPolicy: v.optional(v.picklist(['IfNotPresent', 'Always', 'Never'])),
  policy: v.optional(
    v.object({
      resourceTypes: optionalTextByName,
      rules: v.optional(v.array(imageRule)),
      defaultImage: optionalText,
    } satisfies FieldsOf<ImagePolicy>),
  ),
  preflight: v.optional(v.picklist(['off', 'warn', 'enforce'])),
  pinDigests: optionalBoolean,
  preflightFreshMs: optionalNumber,
  plainHttpRegistries: optionalTexts,
} satisfies FieldsOf<ImageOptions>);

const textOrObject = (noun: string): v.GenericSchema =>
  v.custom((value) => typeof value === 'string' || (typeof value === 'object' && value !== null), noun);

const database = v.custom(
  (value) => ['string', 'function'].includes(typeof value) || (typeof value === 'object' && value !== null),
  'a URL, a function that returns one, a pool with connect(), or a PGlite instance',
);

const textOrFunction = (noun: string): v.GenericSchema =>
  v.custom((value) => typeof value === 'string' || typeof value === 'function', noun);

const architecture = v.optional(v.picklist(['amd64', 'arm64']));
const agentBinary = v.optional(textOrFunction('a path or a function that returns one'));

export const agentConfigMapOptions: v.GenericSchema = v.strictObject({
  namespace: optionalText,
  architecture,
  agentBinary,
} satisfies FieldsOf<AgentConfigMapOptions>);

export const migrateDatabaseOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  check: optionalBoolean,
  logger: v.optional(withMethods('a logger with debug, info, warn and error', ['debug', 'info', 'warn', 'error'])),
} satisfies FieldsOf<MigrateDatabaseOptions>);

export const workerOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  name: text,
  kubeConfig: v.optional(textOrObject('the path of a kubeconfig or a KubeConfig')),
  namespace: optionalText,
  database,
  migrate: optionalBoolean,
  register: optionalBoolean,
  volumeImage: optionalText,
  images: v.optional(images),
  architecture,
  agentBinary,
  agentConfigMap: v.optional(v.picklist(['create', 'existing'])),
  podObservation: v.optional(v.picklist(['watch', 'poll'])),
  pods: v.optional(podOptions),
  labelPrefix: optionalText,
  stores: v.optional(storesOptions),
  privilegedTeams: v.optional(v.union([v.literal('all'), v.array(text)], "'all' or a list of teams")),
  startTimeoutMs: optionalNumber,
  imagePullTimeoutMs: optionalNumber,
  schedulingTimeoutMs: optionalNumber,
  maxWaitingForQuota: optionalNumber,
  reconnectTimeoutMs: optionalNumber,
  execProtocols: optionalTexts,
  transfers: v.optional(transfers),
  maxAttachments: optionalNumber,
  artifactTimeToLiveMs: optionalNumber,
  cacheTimeToLiveMs: optionalNumber,
  caches: v.optional(caches),
  leaseMs: optionalNumber,
  hijackGraceMs: optionalNumber,
  finishedOwnerTtlMs: optionalNumber,
  retention: v.optional(retention),
  reapEveryMs: optionalNumber,
  heartbeatEveryMs: optionalNumber,
  leaderElection: optionalBoolean,
  mask: optionalFunction,
  traceEnvironment: optionalBoolean,
  logger: v.optional(withMethods('a logger with debug, info, warn and error', ['debug', 'info', 'warn', 'error'])),
  clock: v.optional(withMethods('a clock with now and sleep', ['now', 'sleep'])),
} satisfies FieldsOf<KubernetesWorkerOptions>);
