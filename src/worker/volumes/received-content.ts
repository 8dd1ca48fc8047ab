import type { RawContent, VolumeRecord } from '../../repository/records.ts';

/** Returns what a volume has last received as a whole. Commands may have changed it since. */
export function receivedOf({ digest, sizeBytes }: Pick<VolumeRecord, 'digest' | 'sizeBytes'>): RawContent | undefined {
  return digest === undefined || sizeBytes === undefined ? undefined : { digest, rawBytes: sizeBytes };
}
