import type { ArchiveService } from '../../archives/archive-service.ts';
import type { VolumeRecord } from '../../repository/records.ts';
import { isNowhere } from '../../stores/nowhere.ts';
import { PodContent } from './pod-content.ts';
import { SealedContent, type SealedContentComponents } from './sealed-content.ts';
import { SnapshotContent, type SnapshotContentComponents } from './snapshot-content.ts';
import type { VolumeContent } from './volume-content.ts';

/** What contents are made of. The last two are `undefined` for a worker without archive stores. */
export type ContentComponents = Omit<SnapshotContentComponents, 'archives'> & {
  readonly archives: ArchiveService | undefined;
  readonly sealed: SealedContentComponents | undefined;
};

/** Returns the content of a volume: at a place in a pod, with or without archives, or without a place. */
export function contentOf(
  volume: Pick<VolumeRecord, 'handle' | 'workerName' | 'store' | 'location'>,
  { archives, sealed, ...components }: ContentComponents,
): VolumeContent {
  if (sealed !== undefined && isNowhere(volume.location)) return new SealedContent(volume, sealed);
  if (archives === undefined) return new PodContent(volume, components);
  return new SnapshotContent(volume, { ...components, archives });
}
