import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

import type { Carrier } from './hand-over.ts';
import type { S3Server } from './s3-server.ts';

/** Carries content over S3 as a host does by hand: it uploads with `lib-storage`, as `aws s3 cp` does. */
export function libStorage({ endpoint, bucket, credentials }: S3Server): Carrier & AsyncDisposable {
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  let Key = '';
  return {
    put: async (output) => {
      Key = randomUUID();
      const params = { Bucket: bucket, Key, Body: await output.streamOut('.') };
      await new Upload({ client, params }).done();
    },
    get: async (input) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      if (!(Body instanceof Readable)) throw new Error('the object has no body');
      await input.streamIn('.', Body);
    },
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}
