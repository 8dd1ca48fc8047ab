import * as v from 'valibot';

import type {
  Affinity,
  LabelSelector,
  LabelSelectorRequirement,
  NodeAffinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  TopologySpreadConstraint,
} from '../runtime/affinity.ts';
import type { PodOptions, PodOwnerReference, PodSeLinuxOptions, PodToleration } from '../runtime/pod-options.ts';
import type { StorePodOptions } from '../runtime/pvc-store-options.ts';
import {
  optionalBoolean,
  optionalNumber,
  optionalText,
  optionalTextByName,
  optionalTexts,
  text,
} from './common-shapes.ts';
import { podOverlay } from './pod-overlay-shapes.ts';
import type { FieldsOf } from './shape.ts';

const toleration = v.strictObject({
  key: optionalText,
  operator: v.optional(v.picklist(['Exists', 'Equal'])),
  value: optionalText,
  effect: v.optional(v.picklist(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
  tolerationSeconds: optionalNumber,
} satisfies FieldsOf<PodToleration>);

const nodeRequirement = v.strictObject({
  key: text,
  operator: v.picklist(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']),
  values: optionalTexts,
} satisfies FieldsOf<NodeSelectorRequirement>);

const nodeTerm = v.strictObject({
  matchExpressions: v.optional(v.array(nodeRequirement)),
  matchFields: v.optional(v.array(nodeRequirement)),
} satisfies FieldsOf<NodeSelectorTerm>);

const labelSelector = v.strictObject({
  matchLabels: optionalTextByName,
  matchExpressions: v.optional(
    v.array(
      v.strictObject({
        key: text,
        operator: v.picklist(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: optionalTexts,
      } satisfies FieldsOf<LabelSelectorRequirement>),
    ),
  ),
} satisfies FieldsOf<LabelSelector>);

const podTerm = v.strictObject({
  topologyKey: text,
  labelSelector: v.optional(labelSelector),
  namespaces: optionalTexts,
} satisfies FieldsOf<PodAffinityTerm>);

const podRules = v.strictObject({
  requiredDuringSchedulingIgnoredDuringExecution: v.optional(v.array(podTerm)),
  preferredDuringSchedulingIgnoredDuringExecution: v.optional(
    v.array(v.strictObject({ weight: v.number(), podAffinityTerm: podTerm })),
  ),
} satisfies FieldsOf<PodAffinity>);

const affinity = v.strictObject({
  nodeAffinity: v.optional(
    v.strictObject({
      requiredDuringSchedulingIgnoredDuringExecution: v.optional(
        v.strictObject({ nodeSelectorTerms: v.array(nodeTerm) }),
      ),
      preferredDuringSchedulingIgnoredDuringExecution: v.optional(
        v.array(v.strictObject({ weight: v.number(), preference: nodeTerm })),
      ),
    } satisfies FieldsOf<NodeAffinity>),
  ),
  podAffinity: v.optional(podRules),
  podAntiAffinity: v.optional(podRules),
} satisfies FieldsOf<Affinity>);

const spread = v.strictObject({
  maxSkew: v.number(),
  topologyKey: text,
  whenUnsatisfiable: v.picklist(['DoNotSchedule', 'ScheduleAnyway']),
  labelSelector: v.optional(labelSelector),
  minDomains: optionalNumber,
} satisfies FieldsOf<TopologySpreadConstraint>);

const ownerReference = v.strictObject({
  apiVersion: text,
  kind: text,
  name: text,
  uid: text,
  controller: optionalBoolean,
  blockOwnerDeletion: optionalBoolean,
} satisfies FieldsOf<PodOwnerReference>);

const podEntries = {
  serviceAccountName: optionalText,
  automountServiceAccountToken: optionalBoolean,
  imagePullSecrets: optionalTexts,
  nodeSelector: optionalTextByName,
  tolerations: v.optional(v.array(toleration)),
  affinity: v.optional(affinity),
  topologySpreadConstraints: v.optional(v.array(spread)),
  labels: optionalTextByName,
  annotations: optionalTextByName,
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
  addCapabilities: optionalTexts,
  hostUsers: optionalBoolean,
  seLinuxOptions: v.optional(
    v.strictObject({
      level: optionalText,
      role: optionalText,
      type: optionalText,
      user: optionalText,
    } satisfies FieldsOf<PodSeLinuxOptions>),
  ),
  seccompProfile: v.optional(v.picklist(['RuntimeDefault', 'Unconfined'])),
  restartPolicy: v.optional(v.picklist(['Always', 'OnFailure'])),
  ownerReferences: v.optional(v.array(ownerReference)),
  overlay: v.optional(podOverlay),
} satisfies FieldsOf<PodOptions>;

export const podOptions: v.GenericSchema = v.strictObject(podEntries);

export const storePodOptions: v.GenericSchema = v.strictObject({
  affinity: podEntries.affinity,
  annotations: podEntries.annotations,
  imagePullSecrets: podEntries.imagePullSecrets,
  labels: podEntries.labels,
  nodeSelector: podEntries.nodeSelector,
  priorityClassName: podEntries.priorityClassName,
  runtimeClassName: podEntries.runtimeClassName,
  seLinuxOptions: podEntries.seLinuxOptions,
  serviceAccountName: podEntries.serviceAccountName,
  supplementalGroups: podEntries.supplementalGroups,
  tolerations: podEntries.tolerations,
} satisfies FieldsOf<StorePodOptions>);
