import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const scripts = fileURLToPath(new URL('../../../hack/image/', import.meta.url));

/** An image in a folder. */
export interface BuiltImage {
  /** An OCI archive. */
  readonly archive: string;
  readonly sbom: string;
  readonly digest: string;
}

/** Returns why no image can be built here, or `undefined` if one can. */
export async function noImageReason(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'the build of an image needs root';
  for (const program of ['buildah', 'apt-get', 'dpkg-deb', 'npm'])
    if (!(await isInstalled(program))) return `the build of an image needs ${program}`;
  return undefined;
}

/**
 * Builds the image. If Debian does not offer a pinned package any more, the base images have its newest
 * packages instead.
 */
export async function buildImage(folder: string): Promise<BuiltImage> {
  const { stdout } = await build(folder, {}).catch(async (error: unknown) => {
    if (!isGone(error)) throw error;
    console.log('      note: Debian does not offer a package of hack/image/versions.lock; the newest ones are used');
    const bases = join(folder, 'bases');
    await run(join(scripts, 'base-images'), ['--update', bases]);
    return await build(folder, { KW_BASE_IMAGES: bases });
  });
  return { archive: join(folder, 'image.tar'), sbom: join(folder, 'sbom.cdx.json'), digest: stdout.trim() };
}

async function build(folder: string, variables: Readonly<Record<string, string>>): Promise<{ stdout: string }> {
  return await run(join(scripts, 'build'), [folder], { env: { ...process.env, ...variables } });
}

/** Whether `base-images` has reported that a package does not exist. */
const isGone = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 69;

async function isInstalled(program: string): Promise<boolean> {
  return await run('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  );
}
