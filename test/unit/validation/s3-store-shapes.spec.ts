import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { s3StoreOptions } from '../../../src/validation/s3-store-shapes.ts';
import { checkShape } from '../../../src/validation/shape.ts';

const secretAccessKey = 'wJalrXUtnFEMI';
const keys = { accessKeyId: 'AKID', secretAccessKey };

describe('the shape of the options of an S3 store', () => {
  it('accepts credentials, and a function that returns them', () => {
    checkShape('s3', s3StoreOptions, { bucket: 'b', credentials: { ...keys, expiration: new Date(0) } });
    checkShape('s3', s3StoreOptions, { bucket: 'b', credentials: async () => keys });
  });

  for (const [field, options] of [
    ['bucket', {}],
    ['buket', { bucket: 'b', buket: 'c' }],
    ['credentials', { bucket: 'b', credentials: secretAccessKey }],
    ['credentials.accessKeyId', { bucket: 'b', credentials: { secretAccessKey } }],
    ['credentials.token', { bucket: 'b', credentials: { ...keys, token: 'x' } }],
    ['partSizeBytes', { bucket: 'b', partSizeBytes: '8Mi' }],
    ['serverSideEncryption', { bucket: 'b', serverSideEncryption: 'none' }],
  ] as const)
    it(`refuses a wrong ${field}, and does not repeat its value`, () => {
      expect(() => checkShape('s3', s3StoreOptions, options))
        .to.throw(InvalidSpecError)
        .that.satisfies((error: InvalidSpecError) => error.field === field && !error.message.includes(secretAccessKey));
    });
});
