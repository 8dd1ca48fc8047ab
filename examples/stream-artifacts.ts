/**
 * Streams an archive into a volume, reads one of its files, and streams a folder out again in
 * another encoding. Run it in this repository with `npm run example --
 * examples/stream-artifacts.ts`.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import { KubernetesWorker } from 'kubernetes-worker';
import { EmbeddedCluster } from 'kubernetes-worker/embedded';
import { pack } from 'tar-stream';

const folder = await mkdtemp(join(tmpdir(), 'stream-artifacts-'));
const given = join(folder, 'given.tar');
const archive = pack();
archive.entry({ name: 'version.json' }, '{"ref":"4711"}');
archive.entry({ name: 'docs/readme.txt' }, 'read me\n'.repeat(10_000));
archive.finalize();
await pipeline(archive as AsyncIterable<Uint8Array>, createWriteStream(given));

await using cluster = await EmbeddedCluster.start();
// The prepared files save some seconds. `PGlite.create()` alone works too, as does a PostgreSQL
// URL.
await using database = await PGlite.create({ loadDataDir: await dataDir() });
await using worker = await KubernetesWorker.open({ name: 'example', kubeConfig: cluster.kubeconfigPath, database });

// #region stream
const { volume, expiresAt } = await worker.createVolumeForArtifact('main');
console.log(`volume ${volume.handle}, kept until ${expiresAt.toISOString()}`);

const { rawBytes, digest, entries } = await volume.streamIn('.', createReadStream(given), {
  limitBytes: 100 * 1024 * 1024,
});
console.log(`in: ${rawBytes} bytes, ${entries} entries, sha256:${digest}`);

// One small file, without an archive around it.
console.log(`version: ${Buffer.from(await volume.readFile('version.json')).toString()}`);

// `pipeline` rejects if the volume's stream fails; the bytes that it has written are then
// unverified.
const taken = join(folder, 'docs.tar.gz');
await pipeline(await volume.streamOut('docs', { encoding: 'gzip' }), createWriteStream(taken));
console.log(`out: ${(await stat(taken)).size} bytes of gzip`);

// An unchanged volume gives the same bytes each time.
const digests = new Set<string>();
for (let time = 0; time < 2; time += 1) {
  const hash = createHash('sha256');
  for await (const chunk of await volume.streamOut('.')) hash.update(chunk as Buffer);
  digests.add(hash.digest('hex'));
}
console.log(`out twice: ${digests.size} digest`);

await worker.expireArtifact(volume.handle);
await worker.reap();
// #endregion
await rm(folder, { recursive: true });
