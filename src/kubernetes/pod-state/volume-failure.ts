import type { PodEvent } from '../cluster.ts';

const volumeReasons = new Set(['FailedAttachVolume', 'FailedMount', 'FailedMapVolume']);

/** Returns why a volume of a pod was not attached or mounted, by the latest event about it. */
export function findVolumeFailure(events: readonly PodEvent[]): string | undefined {
  const failures = events.filter(({ reason }) => volumeReasons.has(reason ?? ''));
  const latest = failures.toSorted((a, b) => timeOf(b) - timeOf(a))[0];
  return latest?.message ?? latest?.reason;
}

function timeOf({ lastTimestamp, eventTime, metadata }: PodEvent): number {
  return (lastTimestamp ?? eventTime ?? metadata.creationTimestamp)?.getTime() ?? 0;
}
