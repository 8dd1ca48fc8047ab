import * as v from 'valibot';

import type { KubernetesWorkerOptions } from '../kubernetes-worker.ts';
import type { TransferOptions } from '../runtime/transfer-options.ts';
import {
  optionalBoolean,
  optionalNumber,
  optionalSignal,
  optionalText,
  optionalTexts,
  text,
  withMethods,
} from './common-shapes.ts';
import { podOptions } from './pod-shapes.ts';
import type { FieldsOf } from './shape.ts';

const transfers = v.object({
  maxConcurrent: optionalNumber,
  stallTimeoutMs: optionalNumber,
  firstRetryMs: optionalNumber,
  longestRetryMs: optionalNumber,
  windowBytes: optionalNumber,
} satisfies FieldsOf<TransferOptions>);

const textOrObject = (noun: string): v.GenericSchema =>
  v.custom((value) => typeof value === 'string' || (typeof value === 'object' && value !== null), noun);

export const workerOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  name: text,
  kubeConfig: v.optional(textOrObject('the path of a kubeconfig or a KubeConfig')),
  namespace: optionalText,
  database: textOrObject('a URL, a pool with connect(), or a PGlite instance'),
  migrate: optionalBoolean,
  volumeImage: optionalText,
  architecture: v.optional(v.picklist(['amd64', 'arm64'])),
  pods: v.optional(podOptions),
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
