import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describeArchiveStore } from '../../contract/stores/describe-archive-store.ts';
import { FolderArchiveStore } from '../../support/stores/folder-archive-store.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';

describeArchiveStore('an archive store in memory', { open: async () => new MemoryArchiveStore() });

describeArchiveStore('an archive store in memory that keeps no chunks', {
  keepsNoChunks: true,
  open: async () => new MemoryArchiveStore({ keepsChunks: false }),
});

describe('in a temporary folder', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-archives-'));
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  describeArchiveStore('an archive store in a folder', { open: async () => new FolderArchiveStore(folder) });
});
