// A host program that creates a container with a generated input, and may be suspended (SIGSTOP)
// meanwhile. `node host.ts KUBECONFIG NAMESPACE DATABASE WORKER IMAGE OWNER MARK LEASE_MS`. Reports
// events as lines of JSON. The first line on stdin starts the container, the second ends the input.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { type Artifact, KubernetesWorker } from '../../../src/index.ts';
import { tarOf } from '../tar.ts';
import { inputFiles, mountPath } from './input.ts';

const [kubeConfig = '', namespace = '', database = '', name = '', image = '', key = '', mark = '', leaseMs = ''] =
  process.argv.slice(2);

const report = (event: Readonly<Record<string, unknown>>): void =>
  void process.stdout.write(`${JSON.stringify(event)}\n`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Files that contain the mark of the host, with a large one in between, which takes time. */
class MarkedArtifact implements Artifact {
  readonly handle = 'input';
  readonly source = 'elsewhere';

  async streamOut(): Promise<Readable> {
    const archive = await tarOf(inputFiles(mark));
    return Readable.from(
      (async function* () {
        const last = archive.length - 32_768;
        for (let at = 0; at < last; at += 65_536) yield archive.subarray(at, Math.min(last, at + 65_536));
        report({ halfway: true });
        await lines.next();
        yield archive.subarray(last);
      })(),
    );
  }

  async readFile(): Promise<never> {
    throw new Error('an input is not read');
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
report({ open: true });
await lines.next();
try {
  const { container } = await worker.findOrCreateContainer({ kind: 'build-step', key }, spec);
  report({ handle: container.handle });
} catch (error) {
  report({ error: String(error) });
}
await worker.close();
process.exit();
