import { type OciDescriptor, readArchiveFile } from '../../../scripts/image/image-archive.ts';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Pushes the image of an OCI archive to a registry that speaks plain HTTP, as `HOST:PORT/NAME:TAG`.
 */
export async function pushImage(archive: string, reference: string): Promise<void> {
  const { registry, tag } = partsOf(reference);
  const index = JSON.parse((await readArchiveFile(archive, 'index.json')).toString()) as {
    manifests: readonly OciDescriptor[];
  };
  const [image] = index.manifests;
  if (image === undefined) throw new Error(`${archive} has no image`);
  const text = (await readArchiveFile(archive, image)).toString();
  const manifest = JSON.parse(text) as {
    readonly mediaType: string;
    readonly config: OciDescriptor;
    readonly layers: readonly OciDescriptor[];
  };
  for (const blob of [manifest.config, ...manifest.layers]) await pushBlob(registry, archive, blob);
  const headers = { 'content-type': manifest.mediaType };
  await succeeded(await fetch(`${registry}/manifests/${tag}`, { method: 'PUT', headers, body: text }));
}

/** Adds a tag to an image that was pushed as `HOST:PORT/NAME:TAG`. */
export async function tagImage(reference: string, tag: string): Promise<void> {
  const { registry, tag: from } = partsOf(reference);
  const manifest = await succeeded(await fetch(`${registry}/manifests/${from}`, { headers: { accept: ociManifest } }));
  const headers = { 'content-type': ociManifest };
  const body = await manifest.text();
  await succeeded(await fetch(`${registry}/manifests/${tag}`, { method: 'PUT', headers, body }));
}

/** Returns the address of an image's repository in the API of its registry, and its tag. */
function partsOf(reference: string): { readonly registry: string; readonly tag: string } {
  const [, host = '', name = '', tag = ''] = /^([^/]+)\/(.+):([^:/]+)$/.exec(reference) ?? [];
  return { registry: `http://${host}/v2/${name}`, tag };
}

async function pushBlob(registry: string, archive: string, blob: OciDescriptor): Promise<void> {
  const started = await succeeded(await fetch(`${registry}/blobs/uploads/`, { method: 'POST' }));
  const upload = new URL(started.headers.get('location') ?? '', registry);
  upload.searchParams.set('digest', blob.digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const body = new Uint8Array(await readArchiveFile(archive, blob));
  await succeeded(await fetch(upload, { method: 'PUT', headers, body }));
}

async function succeeded(response: Response): Promise<Response> {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response;
}
