import type { StoreLocation } from './artifact-store.ts';

/** The location of a volume without a place: its content is an archive, or nothing yet. */
export const nowhere: StoreLocation = {};

/** Whether a location is no place. */
export function isNowhere(location: StoreLocation): boolean {
  return Object.keys(location).length === 0;
}
