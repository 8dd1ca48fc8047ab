import { expect } from 'chai';

import { blameFor } from '../../../src/caches/cache-failure.ts';
import { PodDeletedError, PodEvictedError } from '../../../src/errors/pod.ts';
import {
  LeaseLostError,
  RepositoryUnavailableError,
  StoreNotConfiguredError,
  VolumeDisappearedError,
} from '../../../src/errors/repository.ts';
import {
  ArchiveDamagedError,
  ArchiveMissingError,
  StoreDeniedError,
  StoreUnavailableError,
} from '../../../src/errors/store.ts';
import {
  CorruptArchiveError,
  DiskFullError,
  NotPermittedError,
  OperationLostError,
  VolumeDamagedError,
} from '../../../src/errors/transfer.ts';

const ends = { cacheHandle: 'cache', podName: 'step-pod' };
const pod = (podName: string) => ({ namespace: 'ci', podName });

const cases = {
  cache: [
    new VolumeDisappearedError('cache', 'w'),
    new PodDeletedError(pod('cache-pod')),
    new PodEvictedError(pod('cache-pod')),
    new VolumeDamagedError({ handle: 'cache' }, 'half a commit'),
    new CorruptArchiveError({ handle: 'folder', direction: 'in' }, 'no header'),
    new ArchiveMissingError({ store: 's3', key: 'k' }),
    new ArchiveDamagedError({ store: 's3', key: 'k' }, 'its bytes differ'),
  ],
  either: [
    new DiskFullError({ handle: 'folder' }, 'no space'),
    new NotPermittedError({ handle: 'folder' }, 'mknod'),
    new OperationLostError({ handle: 'folder' }, 'no connection'),
    new VolumeDamagedError({ handle: 'folder' }, 'half a commit'),
  ],
  store: [
    new StoreUnavailableError({ store: 's3', key: 'k' }, 'no answer'),
    new StoreDeniedError({ store: 's3', key: 'k' }, 's3:GetObject', 'denied'),
    new StoreNotConfiguredError('s3'),
  ],
  container: [
    new PodDeletedError(pod('step-pod')),
    new VolumeDisappearedError('folder', 'w'),
    new LeaseLostError('folder'),
    new RepositoryUnavailableError('away'),
    new Error('something else'),
  ],
} as const;

describe('blameFor', () => {
  for (const [blame, errors] of Object.entries(cases)) {
    for (const error of errors)
      it(`is ${blame} for ${error.name}: ${error.message}`, () => expect(blameFor(error, ends)).to.equal(blame));
  }
});
