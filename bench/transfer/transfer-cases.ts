import { execFile } from 'node:child_process';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { BenchCase } from '../harness/benchmark.ts';
import type { Place } from '../host/host-messages.ts';
import type { Mover } from './movers.ts';
import { makeArchive, type Sample, type SampleArchive } from './sample-archives.ts';
import { digestOfOutput, digestScript } from './tree-digest.ts';

export interface TransferSetting {
  /** The folder of the archives. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

export interface CaseOptions {
  /**
   * Follows the name of each case.
   * @defaultValue nothing
   */
  readonly suffix?: string;
  /** @defaultValue 5 */
  readonly pairs?: number;
  /**
   * The ratios to reach.
   * @defaultValue none
   */
  readonly goals?: { readonly up: number; readonly down: number; readonly across?: number };
}

/**
 * The transfers of one sample. Compares the digests of the content after each transfer. Each
 * transfer uses a new folder, and folders with many files stay until the deletion of their pod: an
 * ext4 without a journal, which virtual machines often have, does not reuse an inode for some
 * minutes after its deletion and searches long for another.
 */
export class TransferCases {
  readonly #sample: Sample;
  readonly #setting: TransferSetting;
  /** Folders of the first pod with the whole content, by mover. */
  readonly #filled = new Map<string, Place>();
  #archive: Promise<SampleArchive> | undefined;
  #runs = 0;

  constructor(sample: Sample, setting: TransferSetting) {
    this.#sample = sample;
    this.#setting = setting;
  }

  /** Returns the cases up, down and pod to pod, of one mover against another. */
  of(ours: Mover, peer: Mover, { suffix = '', pairs = 5, goals }: CaseOptions = {}): readonly BenchCase[] {
    const transfers = [
      { what: 'up', goal: goals?.up, measure: (mover: Mover) => this.#up(mover) },
      { what: 'down', goal: goals?.down, measure: (mover: Mover) => this.#down(mover) },
      { what: 'pod to pod', goal: goals?.across, measure: (mover: Mover) => this.#across(mover) },
    ];
    return transfers.map(({ what, goal, measure }) => ({
      name: `${what}, ${this.#sample.name}${suffix}`,
      unit: 'MiB/s',
      better: 'higher',
      pairs,
      goal,
      ours: () => measure(ours),
      peer: ({ signal }) => this.#repeat(() => measure(peer), signal),
    }));
  }

  /**
   * Repeats a failed measurement, with a log line: kubectl sometimes loses bytes and ends with
   * status 0.
   */
  async #repeat(measure: () => Promise<number>, signal: AbortSignal): Promise<number> {
    for (let left = 3; ; left -= 1) {
      try {
        return await measure();
      } catch (error) {
        signal.throwIfAborted();
        if (left === 1) throw error;
        this.#setting.log(
          `repeating the peer's measurement: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }

  async #up(mover: Mover): Promise<number> {
    const archive = await this.#preparedArchive(mover);
    const to = await this.#newFolder(mover, 0);
    const measured = await rate(archive, () => mover.up(archive.path, to));
    await this.#check(mover, to);
    this.#filled.set(mover.name, to);
    return measured;
  }

  async #down(mover: Mover): Promise<number> {
    const archive = await this.#preparedArchive(mover);
    const target = join(this.#setting.folder, 'down');
    const from = await this.#source(mover);
    await rm(target, { recursive: true, force: true });
    await this.#settle(mover, from.pod);
    const measured = await rate(archive, () => mover.down(from, target));
    if ((await mover.digestOf(target)) !== archive.treeDigest)
      throw new Error(`down from ${mover.name} of ${this.#sample.name}: the content differs`);
    const received = await stat(target);
    if (received.isFile() && received.size < archive.contentBytes)
      throw new Error(`down from ${mover.name} of ${this.#sample.name}: shorter than its content`);
    return measured;
  }

  async #across(mover: Mover): Promise<number> {
    const archive = await this.#preparedArchive(mover);
    const from = await this.#source(mover);
    const to = await this.#newFolder(mover, 1);
    const measured = await rate(archive, () => mover.across(from, to));
    await this.#check(mover, to);
    return measured;
  }

  /** Returns a folder of the first pod with the whole content. */
  async #source(mover: Mover): Promise<Place> {
    const filled = this.#filled.get(mover.name);
    if (filled !== undefined) return filled;
    const { path } = await this.#preparedArchive(mover);
    const folder = await this.#newFolder(mover, 0);
    await mover.up(path, folder);
    await this.#check(mover, folder);
    this.#filled.set(mover.name, folder);
    return folder;
  }

  async #newFolder(mover: Mover, pod: number): Promise<Place> {
    this.#runs += 1;
    const path = `${this.#sample.id}-${this.#runs}`;
    const { side } = mover;
    const room = this.#sample.files > 1 ? '' : `rm -rf ${side}/${this.#sample.id}-*;`;
    await mover.script(pod, `${room} mkdir -p ${side}/${path}`);
    await this.#settle(mover, pod);
    return { pod, path };
  }

  /** Flushes pending writes, on this machine and in the pod, before the measurement starts. */
  async #settle(mover: Mover, pod: number): Promise<void> {
    await promisify(execFile)('sync');
    await mover.script(pod, 'sync');
  }

  async #check(mover: Mover, { pod, path }: Place): Promise<void> {
    const { treeDigest } = await this.#preparedArchive(mover);
    const output = await mover.script(pod, digestScript(`${mover.side}/${path}`));
    if (digestOfOutput(output) !== treeDigest)
      throw new Error(`${mover.name} after ${this.#sample.name}: the content differs`);
  }

  /** Creates the archive once, and prepares it for the mover. */
  async #preparedArchive(mover: Mover): Promise<SampleArchive> {
    this.#archive ??= this.#make();
    const archive = await this.#archive;
    await mover.prepare?.(archive.path);
    return archive;
  }

  async #make(): Promise<SampleArchive> {
    const { folder, log } = this.#setting;
    const archive = await makeArchive(folder, this.#sample);
    log(
      `${this.#sample.name}: ${mebibytes(archive.contentBytes)} MiB in an archive of ${mebibytes(archive.bytes)} MiB`,
    );
    return archive;
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

/** Measures the throughput of the archive in MiB/s. */
async function rate({ bytes }: SampleArchive, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (bytes / 1024 / 1024) * (1000 / (performance.now() - startedAt));
}
