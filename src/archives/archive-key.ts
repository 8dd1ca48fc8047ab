/**
 * Returns the key of an attempt to write an archive: `<installation>/<2 hex>/<id>-<attempt>.tar.zst`.
 * Each attempt has its own key, so that a late writer never changes what another attempt has
 * committed.
 */
export function archiveKey(installationId: string, id: string, attempt: number): string {
  return `${installationId}/${id.slice(0, 2)}/${id}-${attempt}.tar.zst`;
}

/** The archive and the attempt that a key belongs to. */
export interface ArchiveKeyParts {
  readonly id: string;
  readonly attempt: number;
}

/** Returns the parts of a key of this installation, or `undefined` if the key has another form. */
export function parseArchiveKey(installationId: string, key: string): ArchiveKeyParts | undefined {
  const match = /^([^/]+)\/([0-9a-f]{2})\/([0-9a-f-]{36})-([1-9][0-9]{0,8})\.tar\.zst$/.exec(key);
  const [, installation, folder, id, attempt] = match ?? [];
  if (installation !== installationId || id === undefined || !id.startsWith(folder ?? '?')) return undefined;
  return { id, attempt: Number(attempt) };
}
