import * as v from 'valibot';

import type {
  PodDnsConfig,
  PodHostAlias,
  PodOverlay,
  PodOverlayContainer,
  PodOverlayKey,
  PodOverlayMount,
  PodOverlayRequests,
  PodOverlaySpec,
  PodOverlayVolume,
} from '../runtime/pod-overlay.ts';
import {
  optionalBoolean,
  optionalNumber,
  optionalText,
  optionalTextByName,
  optionalTexts,
  text,
} from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

const items = v.optional(
  v.array(v.strictObject({ key: text, path: text, mode: optionalNumber } satisfies FieldsOf<PodOverlayKey>)),
);
const files = { defaultMode: optionalNumber, optional: optionalBoolean, items };

const volume = v.strictObject({
  name: text,
  secret: v.optional(v.strictObject({ secretName: text, ...files })),
  configMap: v.optional(v.strictObject({ name: text, ...files })),
  emptyDir: v.optional(v.strictObject({ medium: v.optional(v.picklist(['', 'Memory'])), sizeLimit: optionalText })),
  persistentVolumeClaim: v.optional(v.strictObject({ claimName: text, readOnly: optionalBoolean })),
  image: v.optional(
    v.strictObject({ reference: text, pullPolicy: v.optional(v.picklist(['Always', 'IfNotPresent', 'Never'])) }),
  ),
} satisfies FieldsOf<PodOverlayVolume>);

const container = v.strictObject({
  name: v.picklist(['main']),
  volumeMounts: v.optional(
    v.array(
      v.strictObject({
        name: text,
        mountPath: text,
        subPath: optionalText,
        readOnly: optionalBoolean,
      } satisfies FieldsOf<PodOverlayMount>),
    ),
  ),
  resources: v.optional(
    v.strictObject({
      requests: v.optional(
        v.strictObject({
          cpu: optionalText,
          memory: optionalText,
          'ephemeral-storage': optionalText,
        } satisfies FieldsOf<PodOverlayRequests>),
      ),
    }),
  ),
} satisfies FieldsOf<PodOverlayContainer>);

const dnsConfig = v.strictObject({
  nameservers: optionalTexts,
  searches: optionalTexts,
  options: v.optional(v.array(v.strictObject({ name: text, value: optionalText }))),
} satisfies FieldsOf<PodDnsConfig>);

export const podOverlay: v.GenericSchema = v.strictObject({
  metadata: v.optional(v.strictObject({ labels: optionalTextByName, annotations: optionalTextByName })),
  spec: v.optional(
    v.strictObject({
      containers: v.optional(v.array(container)),
      volumes: v.optional(v.array(volume)),
      hostAliases: v.optional(
        v.array(v.strictObject({ ip: text, hostnames: v.array(v.string()) } satisfies FieldsOf<PodHostAlias>)),
      ),
      dnsPolicy: v.optional(v.picklist(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'])),
      dnsConfig: v.optional(dnsConfig),
      schedulerName: optionalText,
    } satisfies FieldsOf<PodOverlaySpec>),
  ),
} satisfies FieldsOf<PodOverlay>);
