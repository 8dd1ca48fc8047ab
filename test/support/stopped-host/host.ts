// A host as a program of its own that creates a container with an input of its own making, and may be stopped (SIGSTOP) meanwhile.
// `node host.ts KUBECONFIG NAMESPACE DATABASE WORKER IMAGE OWNER MARK LEASE_MS`. It writes what happens as lines. One line on stdin
// lets it begin, the next lets its input end.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { type Artifact, KubernetesWorker } from '../../../src/index.ts';
import { tarOf } from '../tar.ts';
import { inputFiles, mountPath } from './input.ts';

const [kubeConfig = '', namespace = '', database = '', name = '', image = '', key = '', mark = '', leaseMs = ''] =
  process.argv.slice(2);

const say = (what: Readonly<Record<string, unknown>>): void => void process.stdout.write(`${JSON.stringify(what)}\n`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Files that all say whose they are, and a large one before the last of them, so that there is a middle to be stopped in. */
class MarkedArtifact implements Artifact {
  readonly handle = `input-${mark}`;
  readonly source = 'elsewhere';

  async streamOut(): Promise<Readable> {
    const archive = await tarOf(inputFiles(mark));
    return Readable.from(
      (async function* () {
        const last = archive.length - 32_768;
        for (let at = 0; at < last; at += 65_536) yield archive.subarray(at, Math.min(last, at + 65_536));
        say({ halfway: true });
        await lines.next();
        yield archive.subarray(last);
      })(),
    );
  }

  async readFile(): Promise<never> {
    throw new Error('nothing is read of an input');
  }
}

const worker = await KubernetesWorker.open({
  name,
  kubeConfig,
  namespace,
  database,
  volumeImage: image,
  leaseMs: Number(leaseMs),
});
const spec = { image, inputs: [{ artifact: new MarkedArtifact(), path: mountPath }] };
say({ open: true });
await lines.next();
try {
  const { container } = await worker.findOrCreateContainer({ kind: 'build-step', key }, spec);
  say({ handle: container.handle });
} catch (error) {
  say({ error: String(error) });
}
await worker.close();
process.exit();
