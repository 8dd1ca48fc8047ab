import { z } from 'zod';

import type { PvcStoreOptions, S3StoreOptions, StoresOptions } from '../../../index.ts';
import {
  durationMs,
  httpUrl,
  key,
  kubernetesObject,
  numericId,
  optionalSection,
  path,
  positive,
  requiredKey,
  type Shape,
  section,
  text,
} from '../section.ts';

/** The store on a PersistentVolumeClaim. */
export interface PvcSection extends Omit<PvcStoreOptions, 'pod'> {
  /** Checked by the library. */
  readonly pod?: Readonly<Record<string, unknown>> | undefined;
}

const resources = z
  .strictObject({
    cpuMilli: positive.optional(),
    memoryBytes: positive.optional(),
    ephemeralStorageBytes: positive.optional(),
  })
  .optional();

const pvc: Shape<PvcSection> = {
  claim: requiredKey(text, {
    description: 'The name of the PersistentVolumeClaim, in the namespace of the worker.',
    example: 'ci-archives',
  }),
  name: key(text.optional(), {
    description: 'The name of the store, which is stored with each archive.',
    example: 'archives',
    unset: '`pvc`',
  }),
  user: key(numericId.optional(), {
    description: 'The numeric user of the store pod, which owns the files.',
    example: 1000,
    unset: '65532',
  }),
  group: key(numericId.optional(), {
    description: 'The numeric group of the store pod.',
    example: 1000,
    unset: '65532',
  }),
  limits: key(resources, {
    description: 'The resource limits of the store pod: `cpuMilli`, `memoryBytes`, `ephemeralStorageBytes`.',
    example: { memoryBytes: 536_870_912 },
    unset: 'no limit',
  }),
  requests: key(resources, {
    description: 'What a node reserves for the store pod, as `stores.pvc.limits`.',
    example: { cpuMilli: 100, memoryBytes: 134_217_728 },
    unset: 'the limits',
  }),
  pod: key(kubernetesObject.optional(), {
    description: 'Placement and marks of the store pod: options of the type `StorePodOptions`.',
    example: { nodeSelector: { disk: 'ssd' } },
    unset: "those of the worker's pods",
  }),
};

/** The store in a bucket of S3. Keys of an account and certificates come from files. */
export interface S3Section extends Omit<S3StoreOptions, 'credentials' | 'ca'> {
  readonly accessKeyIdFile?: string | undefined;
  readonly secretAccessKeyFile?: string | undefined;
  readonly sessionTokenFile?: string | undefined;
  readonly caFile?: string | undefined;
}

const s3: Shape<S3Section> = {
  bucket: requiredKey(text, { description: 'The name of the bucket, which exists.', example: 'ci-archives' }),
  prefix: key(text.optional(), {
    description: 'What the keys of all objects begin with.',
    example: 'ci/',
    unset: 'none',
  }),
  region: key(text.optional(), {
    description: 'The region of the bucket.',
    example: 'eu-central-1',
    unset: 'that of the environment or the shared configuration; with an endpoint, `us-east-1`',
  }),
  endpoint: key(httpUrl.optional(), {
    description: 'The URL of the server.',
    example: 'https://s3.example:9000',
    unset: 'that of Amazon S3 in the region',
  }),
  forcePathStyle: key(z.boolean().optional(), {
    description: 'Whether the bucket is in the path of the URL instead of the host name.',
    example: true,
    unset: 'true with an endpoint, otherwise false',
  }),
  accessKeyIdFile: key(path.optional(), {
    description: 'The path of a file with the ID of the access key. The files of the keys are read again when needed.',
    example: '/run/secrets/s3/access-key-id',
    unset: 'the credentials come from the chain of the AWS SDK',
  }),
  secretAccessKeyFile: key(path.optional(), {
    description: 'The path of a file with the secret of the access key.',
    example: '/run/secrets/s3/secret-access-key',
    unset: 'the credentials come from the chain of the AWS SDK',
  }),
  sessionTokenFile: key(path.optional(), {
    description: 'The path of a file with the token of temporary credentials.',
    example: '/run/secrets/s3/session-token',
    unset: 'the credentials are not temporary',
  }),
  serverSideEncryption: key(z.enum(['AES256', 'aws:kms', 'aws:kms:dsse']).optional(), {
    description: 'How the server encrypts objects.',
    example: 'aws:kms',
    unset: 'as the bucket is configured',
  }),
  kmsKeyId: key(text.optional(), {
    description: 'The key for `aws:kms`.',
    example: 'alias/ci',
    unset: "the account's default key",
  }),
  storageClass: key(text.optional(), {
    description: 'The storage class of objects.',
    example: 'STANDARD_IA',
    unset: "the server's default",
  }),
  partSizeBytes: key(z.int().min(5_242_880).max(536_870_912).optional(), {
    description: 'The size of the parts of an upload. Each upload keeps up to `concurrency` + 1 parts in memory.',
    example: 16_777_216,
    unset: '8388608',
  }),
  concurrency: key(z.int().min(1).max(7).optional(), {
    description: 'The number of parts of one archive that are sent at the same time.',
    example: 4,
    unset: '2',
  }),
  checksums: key(z.boolean().optional(), {
    description: 'Whether requests carry a CRC-32 of their bytes, which some servers refuse.',
    example: false,
    unset: 'true; with an endpoint, false',
  }),
  conditionalWrites: key(z.boolean().optional(), {
    description: 'Whether the server is asked to refuse a second object of a key.',
    example: false,
    unset: 'true',
  }),
  caFile: key(path.optional(), {
    description: "The path of a file with the certificates, in PEM, of the authorities of the server's certificate.",
    example: '/etc/ssl/s3/ca.crt',
    unset: 'those of Node.js, with `NODE_EXTRA_CA_CERTS`',
  }),
  requestTimeoutMs: key(durationMs.optional(), {
    description: 'How long a request may take until the server answers, and how long a download may be silent.',
    example: 30_000,
    unset: '60000',
  }),
  name: key(text.optional(), {
    description: 'The name of the store, which is stored with each archive.',
    example: 'bucket',
    unset: '`s3`',
  }),
};

/** The stores in which content outlives its pod. */
export interface StoresSection extends Omit<StoresOptions, 'pvc' | 's3' | 'partBuffers' | 'custom'> {
  readonly pvc?: PvcSection | undefined;
  readonly s3?: S3Section | undefined;
}

const usualStore = 'the store that is configured, if it is the only one; otherwise `pod`';

const stores: Shape<StoresSection> = {
  artifacts: key(text.optional(), {
    description: 'The name of the store of new artifacts.',
    example: 's3',
    unset: usualStore,
  }),
  outputs: key(text.optional(), {
    description: 'The name of the store of outputs.',
    example: 'pvc',
    unset: usualStore,
  }),
  caches: key(text.optional(), {
    description: 'The name of the store of caches.',
    example: 'pod',
    unset: usualStore,
  }),
  saveOutputs: key(z.enum(['always', 'success', 'never']).optional(), {
    description: 'When the outputs of a process are saved. Needs a store of outputs other than `pod`.',
    example: 'success',
    unset: '`always`',
  }),
  unavailableBudgetMs: key(durationMs.default(300_000), {
    description: 'How long the result of a process waits for an unavailable store.',
    example: 600_000,
  }),
  sweepEveryMs: key(durationMs.default(21_600_000), {
    description: 'How often the stores are searched for keys without an archive.',
    example: 86_400_000,
  }),
  pvc: optionalSection(pvc),
  s3: optionalSection(s3),
};

export const storesSection: z.ZodType<StoresSection> = section(stores);
