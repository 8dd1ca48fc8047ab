import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { CoreV1Api } from '@kubernetes/client-node';

const run = promisify(execFile);

/** Claims of a namespace, and volumes in folders of this machine, which the nodes share. */
export class ClaimFixture {
  readonly #api: CoreV1Api;
  readonly #namespace: string;
  readonly #mounted: string[] = [];
  readonly #folders: string[] = [];
  readonly #volumes: string[] = [];

  constructor(api: CoreV1Api, namespace: string) {
    this.#api = api;
    this.#namespace = namespace;
  }

  async create(
    name: string,
    {
      storage,
      accessMode = 'ReadWriteOnce',
      ...spec
    }: {
      readonly storageClassName: string;
      readonly storage: string;
      readonly volumeName?: string;
      readonly accessMode?: string;
    },
  ): Promise<void> {
    await this.#api.createNamespacedPersistentVolumeClaim({
      namespace: this.#namespace,
      body: {
        metadata: { name },
        spec: { ...spec, accessModes: [accessMode], resources: { requests: { storage } } },
      },
    });
  }

  /**
   * Creates a claim and its volume: a file system of this machine that is mounted in a folder, or
   * the given folder.
   */
  async createHostPath(
    name: string,
    folder?: string,
    accessMode = 'ReadWriteOnce',
  ): Promise<{ readonly path: string }> {
    const path = folder ?? (await this.#mountFolder());
    const volumeName = `${this.#namespace}-${name}`;
    this.#volumes.push(volumeName);
    await this.#api.createPersistentVolume({
      body: {
        metadata: { name: volumeName },
        spec: {
          accessModes: [accessMode],
          capacity: { storage: '1Gi' },
          storageClassName: '',
          hostPath: { path },
        },
      },
    });
    await this.create(name, { storageClassName: '', storage: '1Gi', volumeName, accessMode });
    return { path };
  }

  /** Returns a new folder of this machine that every user can write to: a hostPath has no fsGroup. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'kw-claim-'));
    this.#folders.push(folder);
    await chmod(folder, 0o777);
    return folder;
  }

  /** Makes the file system of `createHostPath` read-only, also where it is mounted already. */
  async freeze(path: string): Promise<void> {
    await run('mount', ['-o', 'remount,ro', path]);
  }

  async remove(): Promise<void> {
    for (const name of this.#volumes) await this.#api.deletePersistentVolume({ name });
    for (const path of this.#mounted) await run('umount', ['-l', path]);
    for (const path of this.#folders) await rm(path, { recursive: true, force: true });
  }

  async #mountFolder(): Promise<string> {
    const folder = await this.folder();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=777', 'tmpfs', folder]);
    this.#mounted.push(folder);
    return folder;
  }
}
