import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { buildImage, noImageReason } from '../../support/image/build-image.ts';

const run = promisify(execFile);

const baseImages = fileURLToPath(new URL('../../../hack/image/base-images', import.meta.url));

/** The part of a CycloneDX list that the suite reads. */
interface Sbom {
  readonly serialNumber?: string;
  readonly metadata: { readonly timestamp?: string; readonly component: { readonly name: string } };
  readonly components: readonly { readonly name: string; readonly purl: string }[];
}

describe('the build of the image', function () {
  this.timeout(1_200_000);
  let folder: string;

  before(async function () {
    const reason = await noImageReason();
    if (reason !== undefined) {
      if (process.env['CI'] !== undefined) throw new Error(reason);
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'kw-image-build-'));
  });

  after(async () => {
    if ((folder as string | undefined) !== undefined) await rm(folder, { recursive: true });
  });

  it('makes the same base images twice', async () => {
    // The newest packages, because Debian may not offer the pinned ones any more.
    const [first, second] = [join(folder, 'bases-1'), join(folder, 'bases-2')];
    for (const bases of [first, second]) await run(baseImages, ['--update', bases]);
    const { stdout } = await run('sha256sum', ['runtime.tar', 'node.tar', 'versions.lock'], { cwd: first });
    const again = await run('sha256sum', ['runtime.tar', 'node.tar', 'versions.lock'], { cwd: second });
    expect(again.stdout).to.equal(stdout);
  });

  it('makes the same image twice, with a list of all its software', async () => {
    const first = await buildImage(join(folder, 'first'));
    const second = await buildImage(join(folder, 'second'));
    expect(second.digest).to.equal(first.digest);
    const sbom = JSON.parse(await readFile(second.sbom, 'utf8')) as Sbom;
    expect(sbom).to.not.have.property('serialNumber');
    expect(sbom.metadata).to.not.have.property('timestamp');
    expect(sbom.metadata.component.name).to.equal('kubernetes-worker');
    const purls = sbom.components.map(({ purl }) => purl);
    expect(new Set(purls).size).to.equal(purls.length);
    for (const start of [
      'pkg:npm/%40aws-sdk/client-s3@',
      'pkg:npm/pg@',
      'pkg:generic/node@24',
      'pkg:deb/debian/libc6@',
    ])
      expect(
        purls.some((purl) => purl.startsWith(start)),
        start,
      ).to.equal(true);
    for (const start of ['pkg:npm/mocha@', 'pkg:npm/typescript@', 'pkg:npm/%40electric-sql/pglite@'])
      expect(
        purls.some((purl) => purl.startsWith(start)),
        start,
      ).to.equal(false);
  });
});
