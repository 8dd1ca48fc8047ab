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

/** The transfers of one sample. Before each, what it would overwrite is removed; after each, the digests of the content are compared. */
export class TransferCases {
  readonly #sample: Sample;
  readonly #folder: string;
  readonly #pods: BenchPods['pods'];
  readonly #log: (line: string) => void;
  #archive: Promise<SampleArchive> | undefined;

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
        ours: () => this.#up('data', ({ path }) => this.#pods[0].volume.streamIn('.', readable(path))),
        peer: () => this.#up('peer', ({ path }) => kubectl.into(this.#pods[0].peer, `${benchDir}/peer`, path)),
      },
      {
        ...common,
        name: title('down'),
        goal: record ? undefined : goals.down,
        ours: () => this.#down('data', async (target) => await pipeline(await this.#pods[0].volume.streamOut('.'), createWriteStream(target))),
        peer: () => this.#down('peer', (target) => kubectl.outOf(this.#pods[0].peer, `${benchDir}/peer`, target)),
      },
      {
        ...common,
        name: title('pod to pod'),
        ours: () => this.#across('data', async (from, to) => await to.volume.streamIn('.', await from.volume.streamOut('.'))),
        peer: () => this.#across('peer', (from, to) => kubectl.between(from.peer, to.peer, { from: `${benchDir}/peer`, to: `${benchDir}/peer` })),
      },
    ];
  }

  async #up(side: Side, work: (archive: SampleArchive) => Promise<unknown>): Promise<number> {
    const archive = await this.#made();
    const [pod] = this.#pods;
    await empty(pod, side);
    const measured = await rate(archive, () => work(archive));
    await this.#check(pod, side, archive);
    return measured;
  }

  async #down(side: Side, work: (target: string) => Promise<unknown>): Promise<number> {
    const archive = await this.#made();
    const target = join(this.#folder, 'down.tar');
    await this.#fill(this.#pods[0], side, archive);
    await rm(target, { force: true });
    const measured = await rate(archive, () => work(target));
    if ((await digestOfArchive(target)) !== archive.treeDigest) throw new Error(`down from ${side} of ${this.#sample.name}: the content differs`);
    if ((await stat(target)).size < archive.contentBytes) throw new Error(`down from ${side} of ${this.#sample.name}: shorter than its content`);
    return measured;
  }

  async #across(side: Side, work: (from: BenchPod, to: BenchPod) => Promise<unknown>): Promise<number> {
    const archive = await this.#made();
    const [from, to] = this.#pods;
    await this.#fill(from, side, archive);
    await empty(to, side);
    const measured = await rate(archive, () => work(from, to));
    await this.#check(to, side, archive);
    return measured;
  }

  /** Brings the archive's content there, unless it is there. */
  async #fill(pod: BenchPod, side: Side, archive: SampleArchive): Promise<void> {
    if ((await digestInPod(pod.container, `${benchDir}/${side}`)) === archive.treeDigest) return;
    await empty(pod, side);
    if (side === 'data') await pod.volume.streamIn('.', readable(archive.path));
    else await new KubectlExec('websocket').into(pod.peer, `${benchDir}/${side}`, archive.path);
    await this.#check(pod, side, archive);
  }

  async #check(pod: BenchPod, side: Side, { treeDigest }: SampleArchive): Promise<void> {
    const digest = await digestInPod(pod.container, `${benchDir}/${side}`);
    if (digest !== treeDigest) throw new Error(`${side} after ${this.#sample.name}: the content differs`);
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

async function empty({ container }: BenchPod, side: Side): Promise<void> {
  await digestInPod(container, benchDir, `rm -rf ${side}/* ${side}/.[!.]* && sync`);
}

/** MiB of the archive a second. */
async function rate({ bytes }: SampleArchive, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (bytes / 1024 / 1024) * (1000 / (performance.now() - startedAt));
}
