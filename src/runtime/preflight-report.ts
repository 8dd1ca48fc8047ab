/**
 * What the check of an image found. `NOT_CHECKED`: the registry or the pull secrets were not
 * available. `CANCELLED`: the caller aborted.
 */
export type PreflightOutcome = 'OK' | 'MISSING' | 'REFUSED' | 'OTHER_ARCHITECTURE' | 'NOT_CHECKED' | 'CANCELLED';

/** Describes the check of one image in its registry, for metrics. */
export interface PreflightReport {
  readonly outcome: PreflightOutcome;
  /**
   * Whether the check sent no request of its own, because another check had found the facts or was
   * requesting them.
   */
  readonly isCached: boolean;
  readonly durationMs: number;
}

/** Receives the report of each check once. */
export type PreflightObserver = (report: PreflightReport) => void;
