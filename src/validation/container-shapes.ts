import * as v from 'valibot';

import type {
  ContainerLimits,
  ContainerMetadata,
  ContainerOwner,
  ContainerSpec,
  InputSpec,
  SidecarSpec,
} from '../runtime/container.ts';
import type { ContainerQuery } from '../runtime/container-query.ts';
import type { ImageRequest } from '../runtime/image.ts';
import type { FindOrCreateContainerOptions, OwnerFinishedOptions } from '../runtime/worker.ts';
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
} from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

const limits = v.optional(
  v.object({ cpuMilli: optionalNumber, memoryBytes: optionalNumber } satisfies FieldsOf<ContainerLimits>),
);

const sidecar = v.object({
  name: text,
  image: text,
  command: optionalTexts,
  args: optionalTexts,
  env: optionalTexts,
  dir: optionalText,
  limits,
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
  user: optionalText,
  inputs: v.optional(v.array(v.object({ artifact, path: text } satisfies FieldsOf<InputSpec>))),
  outputs: optionalTextByName,
  caches: optionalTexts,
  limits,
  sidecars: v.optional(v.array(sidecar)),
  privileged: optionalBoolean,
  platform: optionalText,
} satisfies FieldsOf<ContainerSpec>);

export const ownerFinishedOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  handle: optionalText,
  final: optionalBoolean,
} satisfies FieldsOf<OwnerFinishedOptions>);

export const imageRequest: v.GenericSchema = v.object({
  image: optionalText,
  resourceType: optionalText,
  metadata: v.optional(metadata),
} satisfies FieldsOf<ImageRequest>);

export const findOrCreateOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  metadata: v.optional(metadata),
  delegate: v.optional(withMethods('an object with a method progress', ['progress'])),
  onSpecChange: v.optional(v.picklist(['reject', 'keep'])),
} satisfies FieldsOf<FindOrCreateContainerOptions>);

const queryFields = {
  ownerKind: optionalText,
  state: v.optional(v.picklist(['creating', 'created', 'failed', 'destroying'])),
  createdBefore: optionalDate,
  createdAfter: optionalDate,
  after: optionalText,
  limit: optionalNumber,
} satisfies FieldsOf<ContainerQuery>;

/** A misspelt field is refused: without it the query would match more than the caller expects. */
export const containerQuery: v.GenericSchema = v.strictObject(queryFields, ({ expected }) =>
  expected === 'never' ? 'a field of a query' : 'an object',
);
