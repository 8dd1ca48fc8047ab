import { createReadStream, createWriteStream, type ReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import type { BenchCase } from '../harness/benchmark.ts';
import { type BenchPod, type BenchPods, benchDir } from './bench-pods.ts';
import { KubectlExec, type Wire } from './kubectl-exec.ts';
import { makeArchive, type Sample, type SampleArchive } from './sample-archives.ts';
import { digestInPod, digestOfArchive } from './tree-digest.ts';

type Side = 'data' | 'peer';

/**
 * The transfers of one sample. After each, the digests of the content are compared. Each goes to a folder that is new, and folders of many files are removed only with their pod: an
 * ext4 without a journal, as virtual machines often have, does not take an inode that was deleted within the last minutes, and searches long for another.
 */
export class TransferCases {
  readonly #sample: Sample;
  readonly #folder: string;
  readonly #pods: BenchPods['pods'];
  readonly #log: (line: string) => void;
  /** Folders of the first pod that hold the whole content. */
  readonly #filled = new Map<Side, string>();
  #archive: Promise<SampleArchive> | undefined;
  #runs = 0;

  constructor(sample: Sample, { folder, pods, log }: { folder: string; pods: BenchPods['pods']; log: (line: string) => void }) {
    this.#sample = sample;
    this.#folder = folder;
    this.#pods = pods;
    this.#log = log;
  }

  /** Up, down and from pod to pod. */
  of(wire: Wire): readonly BenchCase[] {
    const { name, goals } = this.#sample;
    const kubectl = new KubectlExec(wire);
    // Over SPDY, which clusters no longer need to offer: for the record, without a goal.
    const record = wire === 'spdy';
    const common = { unit: 'MiB/s', better: 'higher', pairs: record ? 3 : 5 } as const;
    const title = (what: string): string => `${what}, ${name}${record ? ', kubectl over SPDY' : ''}`;
    return [
      {
        ...common,
        name: title('up'),
        goal: record ? undefined : goals.up,
        ours: () => this.#up('data', ({ path }, to) => this.#pods[0].volume.streamIn(to, readable(path))),
        peer: () => this.#repeat(() => this.#up('peer', ({ path }, to) => kubectl.into(this.#pods[0].peer, at('peer', to), path))),
      },
      {
        ...common,
        name: title('down'),
        goal: record ? undefined : goals.down,
        ours: () => this.#down('data', async (from, target) => await pipeline(await this.#pods[0].volume.streamOut(from), createWriteStream(target))),
        peer: () => this.#repeat(() => this.#down('peer', (from, target) => kubectl.outOf(this.#pods[0].peer, at('peer', from), target))),
      },
      {
        ...common,
        name: title('pod to pod'),
        ours: () => this.#across('data', async ([a, from], [b, to]) => await b.volume.streamIn(to, await a.volume.streamOut(from))),
        peer: () =>
          this.#repeat(() =>
            this.#across('peer', ([a, from], [b, to]) => kubectl.between(a.peer, b.peer, { from: at('peer', from), to: at('peer', to) })),
          ),
      },
    ];
  }

  /** kubectl loses bytes now and then, and ends with status 0: then it is measured again, and the log says so. */
  async #repeat(measure: () => Promise<number>): Promise<number> {
    for (let left = 3; ; left -= 1) {
      try {
        return await measure();
      } catch (error) {
        if (left === 1) throw error;
        this.#log(`kubectl is measured again: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #up(side: Side, work: (archive: SampleArchive, to: string) => Promise<unknown>): Promise<number> {
    const archive = await this.#made();
    const [pod] = this.#pods;
    const to = await this.#newFolder(pod, side);
    const measured = await rate(archive, () => work(archive, to));
    await this.#check(pod, side, to);
    this.#filled.set(side, to);
    return measured;
  }

  async #down(side: Side, work: (from: string, target: string) => Promise<unknown>): Promise<number> {
    const archive = await this.#made();
    const target = join(this.#folder, 'down.tar');
    const from = await this.#source(side);
    await rm(target, { force: true });
    const measured = await rate(archive, () => work(from, target));
    if ((await digestOfArchive(target)) !== archive.treeDigest) throw new Error(`down from ${side} of ${this.#sample.name}: the content differs`);
    if ((await stat(target)).size < archive.contentBytes) throw new Error(`down from ${side} of ${this.#sample.name}: shorter than its content`);
    return measured;
  }

  async #across(side: Side, work: (from: readonly [BenchPod, string], to: readonly [BenchPod, string]) => Promise<unknown>): Promise<number> {
    const archive = await this.#made();
    const [a, b] = this.#pods;
    const from = await this.#source(side);
    const to = await this.#newFolder(b, side);
    const measured = await rate(archive, () => work([a, from], [b, to]));
    await this.#check(b, side, to);
    return measured;
  }

  /** A folder of the first pod with the whole content. */
  async #source(side: Side): Promise<string> {
    const filled = this.#filled.get(side);
    if (filled !== undefined) return filled;
    const { path } = await this.#made();
    const [pod] = this.#pods;
    const folder = await this.#newFolder(pod, side);
    if (side === 'data') await pod.volume.streamIn(folder, readable(path));
    else await new KubectlExec('websocket').into(pod.peer, at(side, folder), path);
    await this.#check(pod, side, folder);
    this.#filled.set(side, folder);
    return folder;
  }

  /** Its path from the side's folder. What is on its way to the disk is there before the measurement begins. */
  async #newFolder({ container }: BenchPod, side: Side): Promise<string> {
    this.#runs += 1;
    const folder = `${this.#sample.id}-${this.#runs}`;
    const room = this.#sample.files > 1 ? '' : `rm -rf ${side}/${this.#sample.id}-*;`;
    await digestInPod(container, benchDir, `${room} mkdir ${side}/${folder} && sync`);
    return folder;
  }

  async #check({ container }: BenchPod, side: Side, folder: string): Promise<void> {
    const { treeDigest } = await this.#made();
    if ((await digestInPod(container, at(side, folder))) !== treeDigest) throw new Error(`${side} after ${this.#sample.name}: the content differs`);
  }

  async #made(): Promise<SampleArchive> {
    this.#archive ??= this.#make();
    return await this.#archive;
  }

  async #make(): Promise<SampleArchive> {
    const archive = await makeArchive(this.#folder, this.#sample);
    this.#log(`${this.#sample.name}: ${mebibytes(archive.contentBytes)} MiB in an archive of ${mebibytes(archive.bytes)} MiB`);
    return archive;
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function readable(path: string): ReadStream {
  return createReadStream(path, { highWaterMark: 1024 * 1024 });
}

function at(side: Side, folder: string): string {
  return `${benchDir}/${side}/${folder}`;
}

/** MiB of the archive a second. */
async function rate({ bytes }: SampleArchive, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (bytes / 1024 / 1024) * (1000 / (performance.now() - startedAt));
}
