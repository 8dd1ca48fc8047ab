import * as v from 'valibot';

import type { TaskCacheStep } from '../runtime/caches.ts';
import type { ContainerMetadata, ContainerOwner, ContainerSpec, InputSpec } from '../runtime/container.ts';
import type { ContainerQuery } from '../runtime/container-query.ts';
import type { ImageRequest } from '../runtime/image.ts';
import type { ReapOptions } from '../runtime/reap-result.ts';
import type { ContainerLimits, ContainerRequests } from '../runtime/resources.ts';
import type { UsageQuery } from '../runtime/retention.ts';
import type { SecretKey, SecretMount } from '../runtime/secrets.ts';
import type { SidecarHttpProbe, SidecarPort, SidecarProbe, SidecarSpec } from '../runtime/sidecar.ts';
import type { DeletePodNow, FindOrCreateContainerOptions, OwnerFinishedOptions } from '../runtime/worker.ts';
import {
  artifact,
  optionalBoolean,
  optionalDate,
  optionalNumber,
  optionalSignal,
  optionalText,
  optionalTextByName,
  optionalTexts,
  text,
  withMethods,
  writable,
} from './common-shapes.ts';
import { podOptions } from './pod-shapes.ts';
import type { FieldsOf } from './shape.ts';

const amounts = { cpuMilli: optionalNumber, memoryBytes: optionalNumber, ephemeralStorageBytes: optionalNumber };
export const limits: v.GenericSchema = v.optional(v.strictObject(amounts satisfies FieldsOf<ContainerLimits>));
export const requests: v.GenericSchema = v.optional(v.strictObject(amounts satisfies FieldsOf<ContainerRequests>));

const secretEnv = v.optional(
  v.record(
    v.string(),
    v.strictObject({ secretName: text, key: text, optional: optionalBoolean } satisfies FieldsOf<SecretKey>),
  ),
);

const secretMount = v.strictObject({
  secretName: text,
  path: text,
  mode: optionalNumber,
  optional: optionalBoolean,
} satisfies FieldsOf<SecretMount>);

const protocol = v.optional(v.picklist(['TCP', 'UDP', 'SCTP']));
const port = v.strictObject({
  name: optionalText,
  containerPort: v.number(),
  protocol,
} satisfies FieldsOf<SidecarPort>);
const numberOrName = v.union([v.number(), v.string()], 'a number or a name');

const httpGet = v.strictObject({
  port: numberOrName,
  path: optionalText,
  scheme: v.optional(v.picklist(['HTTP', 'HTTPS'])),
} satisfies FieldsOf<SidecarHttpProbe>);

const probe = v.strictObject({
  exec: v.optional(v.strictObject({ command: v.array(v.string()) })),
  httpGet: v.optional(httpGet),
  tcpSocket: v.optional(v.strictObject({ port: numberOrName })),
  initialDelaySeconds: optionalNumber,
  periodSeconds: optionalNumber,
  timeoutSeconds: optionalNumber,
  failureThreshold: optionalNumber,
  successThreshold: optionalNumber,
} satisfies FieldsOf<SidecarProbe>);

const sidecar = v.object({
  name: text,
  image: text,
  command: optionalTexts,
  args: optionalTexts,
  env: optionalTexts,
  secretEnv,
  dir: optionalText,
  limits,
  requests,
  ports: v.optional(v.array(port)),
  readOnlyVolumes: optionalBoolean,
  readinessProbe: v.optional(probe),
} satisfies FieldsOf<SidecarSpec>);

const metadata = v.object({
  type: optionalText,
  stepName: optionalText,
  pipelineName: optionalText,
  jobName: optionalText,
  buildName: optionalText,
  team: optionalText,
} satisfies FieldsOf<ContainerMetadata>);

export const containerOwner: v.GenericSchema = v.object({
  owner: v.object({ kind: text, key: text } satisfies FieldsOf<ContainerOwner>),
});

export const containerSpec: v.GenericSchema = v.object({
  image: optionalText,
  resourceType: optionalText,
  dir: optionalText,
  env: optionalTexts,
  secretEnv,
  secretMounts: v.optional(v.array(secretMount)),
  user: optionalText,
  inputs: v.optional(v.array(v.object({ artifact, path: text } satisfies FieldsOf<InputSpec>))),
  outputs: optionalTextByName,
  caches: optionalTexts,
  taskCache: v.optional(v.strictObject({ job: text, step: text } satisfies FieldsOf<TaskCacheStep>)),
  limits,
  requests,
  volumesLimitBytes: optionalNumber,
  sidecars: v.optional(v.array(sidecar)),
  privileged: optionalBoolean,
  hermetic: optionalBoolean,
  platform: optionalText,
  podName: optionalText,
  pod: v.optional(podOptions),
} satisfies FieldsOf<ContainerSpec>);

export const ownerFinishedOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  handle: optionalText,
  final: optionalBoolean,
  keepForMs: optionalNumber,
  deletePod: v.optional(v.strictObject({ gracePeriodSeconds: optionalNumber } satisfies FieldsOf<DeletePodNow>)),
} satisfies FieldsOf<OwnerFinishedOptions>);

export const reapOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  budgetMs: v.optional(
    v.custom((value) => typeof value === 'number' && value > 0 && value < 2 ** 31, 'a number of milliseconds above 0'),
  ),
  sweepStores: optionalBoolean,
} satisfies FieldsOf<ReapOptions>);

export const usageQuery: v.GenericSchema = v.strictObject({
  by: v.picklist(['team', 'owner']),
} satisfies FieldsOf<UsageQuery>);

export const imageRequest: v.GenericSchema = v.object({
  image: optionalText,
  resourceType: optionalText,
  metadata: v.optional(metadata),
} satisfies FieldsOf<ImageRequest>);

export const findOrCreateOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  metadata: v.optional(metadata),
  delegate: v.optional(withMethods('an object with a method progress', ['progress'])),
  stderr: v.optional(writable),
  onSpecChange: v.optional(v.picklist(['reject', 'keep'])),
} satisfies FieldsOf<FindOrCreateContainerOptions>);

const queryFields = {
  handle: optionalText,
  ownerKind: optionalText,
  state: v.optional(v.picklist(['creating', 'created', 'kept', 'failed', 'destroying'])),
  createdBefore: optionalDate,
  createdAfter: optionalDate,
  after: optionalText,
  limit: optionalNumber,
} satisfies FieldsOf<ContainerQuery>;

/**
 * A misspelt field is refused, because without the intended field the query would match more than
 * the caller expects.
 */
export const containerQuery: v.GenericSchema = v.strictObject(queryFields, ({ expected }) =>
  expected === 'never' ? 'a field of a query' : 'an object',
);
