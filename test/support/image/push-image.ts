import { type OciDescriptor, readArchiveFile } from '../../../scripts/image/image-archive.ts';

/**
 * Pushes the image of an OCI archive to a registry that speaks plain HTTP, as `HOST:PORT/NAME:TAG`.
 */
export async function pushImage(archive: string, reference: string): Promise<void> {
  const [, host = '', name = '', tag = ''] = /^([^/]+)\/(.+):([^:/]+)$/.exec(reference) ?? [];
  const registry = `http://${host}/v2/${name}`;
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
