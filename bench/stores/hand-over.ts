import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';

import type { Container, ContainerSpec, ContainerWithMounts, KubernetesWorker, Volume } from '../../src/index.ts';

/** Content that a step hands over to the next one. */
export interface Load {
  readonly name: string;
  /** Fills the folder `$1`. */
  readonly script: string;
}

/** Carries content between volumes, in the host. */
export interface Carrier {
  /** Takes the output of the first step, which has ended. */
  put(output: Volume): Promise<void>;
  /** Gives the content to a volume of the second step. */
  get(input: Volume): Promise<void>;
}

/** How the content gets from one step to the next. */
export interface Way {
  readonly name: string;
  readonly worker: KubernetesWorker;
  /** Additions to the specification of both steps. @defaultValue none */
  readonly spec?: Partial<ContainerSpec> | undefined;
  /** The script of the first step, which has the content in `$1`. */
  readonly put: string;
  /** The script of the second step. @defaultValue the content is its input */
  readonly get?: string | undefined;
  /** What moves the content, beside the scripts. @defaultValue nothing */
  readonly carrier?: Carrier | undefined;
}

const image = 'registry.local/busybox:1';
const content = '/tmp/content';

/** Returns a load of random bytes. */
export function randomLoad(mebibytes: number): Load {
  return {
    name: `${mebibytes} MiB of random bytes`,
    script: `head -c 1048576 /dev/urandom >/tmp/block && for i in $(seq ${mebibytes}); do cat /tmp/block; done >"$1/random.bin"`,
  };
}

/** Returns a load like a source tree: compressible files of about 30 KiB in folders of 50. */
export function treeLoad(files: number): Load {
  const file = 'head -c 7500 /dev/urandom | od -An -tx1 >"$1/$((i / 50))/$i.txt"';
  return {
    name: `a tree of ${files} files`,
    script: `for i in $(seq 0 ${files - 1}); do [ -d "$1/$((i / 50))" ] || mkdir "$1/$((i / 50))"; ${file}; done`,
  };
}

/**
 * Hands content over from a step to the next one. Returns the milliseconds from the moment at which
 * the first step begins to produce its output until the next step has the content. The start of the
 * second pod is part of it, on each way.
 */
export async function handOver(way: Way, load: Load): Promise<number> {
  const producer = await create(way, { outputs: { out: 'out' } });
  const owners = [producer.owner];
  try {
    let startedAt = 0;
    const produce = `mkdir ${content} && set -- ${content} && ${load.script} && ${digestOf(content)} && ${way.put}`;
    const expected = await script(producer.container, produce, () => {
      startedAt = performance.now();
    });
    const output = outputOf(producer);
    await way.carrier?.put(output);
    const consumer = await create(way, placeFor(way, output));
    owners.push(consumer.owner);
    if (way.carrier !== undefined) await way.carrier.get(outputOf(consumer));
    else if (way.get !== undefined) await script(consumer.container, `mkdir /in && set -- /in && ${way.get}`);
    const elapsed = performance.now() - startedAt;
    const actual = await script(consumer.container, digestOf('/in'));
    if (actual !== expected) throw new Error(`${way.name}: the content of ${load.name} differs`);
    return elapsed;
  } finally {
    await Promise.all(owners.map((owner) => way.worker.ownerFinished(owner)));
    await way.worker.reap();
  }
}

function outputOf({ mounts }: ContainerWithMounts): Volume {
  const output = mounts.find(({ kind }) => kind === 'output');
  if (output === undefined) throw new Error('the step has no output');
  return output.volume;
}

/** Returns what gives the second step the folder `/in`, unless a script makes it. */
function placeFor({ get, carrier }: Way, output: Volume): Partial<ContainerSpec> {
  if (carrier !== undefined) return { outputs: { in: '/in' } };
  return get === undefined ? { inputs: [{ artifact: output, path: '/in' }] } : {};
}

async function create(
  { worker, spec }: Way,
  parts: Partial<ContainerSpec>,
): Promise<ContainerWithMounts & { readonly owner: { readonly kind: string; readonly key: string } }> {
  const owner = { kind: 'bench', key: randomUUID() };
  return { ...(await worker.findOrCreateContainer(owner, { image, dir: '/work', ...spec, ...parts })), owner };
}

function digestOf(folder: string): string {
  return `(cd ${folder} && find . -type f | sort | xargs sha256sum | sha256sum)`;
}

/** Runs a script. Returns what it prints, and calls `printed` as soon as it prints something. */
async function script(container: Container, text: string, printed?: () => void): Promise<string> {
  const pieces: Buffer[] = [];
  const stdout = new Writable({
    write: (piece: Buffer, _encoding, done) => {
      if (pieces.length === 0) printed?.();
      pieces.push(piece);
      done();
    },
  });
  const process = await container.run({ path: 'sh', args: ['-ec', text] }, { stdout, stderr: stdout });
  const { exitStatus } = await process.wait();
  const output = Buffer.concat(pieces).toString();
  if (exitStatus !== 0) throw new Error(`a step ended with ${String(exitStatus)}: ${output}`);
  return output;
}
