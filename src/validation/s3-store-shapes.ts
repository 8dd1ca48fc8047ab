import * as v from 'valibot';

import type { S3Credentials, S3StoreOptions } from '../runtime/s3-store-options.ts';
import { optionalBoolean, optionalDate, optionalNumber, optionalText, text } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

const credentials = v.strictObject({
  accessKeyId: text,
  secretAccessKey: text,
  sessionToken: optionalText,
  expiration: optionalDate,
} satisfies FieldsOf<S3Credentials>);

const provider = v.custom((value) => typeof value === 'function', 'credentials or a function that returns them');

/** The shape of the options of an S3 store. */
export const s3StoreOptions: v.GenericSchema = v.strictObject({
  bucket: text,
  prefix: optionalText,
  region: optionalText,
  endpoint: optionalText,
  forcePathStyle: optionalBoolean,
  credentials: v.optional(v.lazy((value) => (typeof value === 'object' && value !== null ? credentials : provider))),
  serverSideEncryption: v.optional(v.picklist(['AES256', 'aws:kms', 'aws:kms:dsse'])),
  kmsKeyId: optionalText,
  storageClass: optionalText,
  partSizeBytes: optionalNumber,
  concurrency: optionalNumber,
  checksums: optionalBoolean,
  conditionalWrites: optionalBoolean,
  ca: optionalText,
  requestTimeoutMs: optionalNumber,
  name: optionalText,
} satisfies FieldsOf<S3StoreOptions>);
