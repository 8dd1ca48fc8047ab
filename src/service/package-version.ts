import { createRequire } from 'node:module';

/** Returns the version of the package. */
export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)('kubernetes-worker/package.json') as { readonly version: string };
  return manifest.version;
}
