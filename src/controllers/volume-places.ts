import { StoreNotConfiguredError } from '../errors/repository.ts';
import type { VolumeRecord } from '../repository/records.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { Places } from './row-sweep.ts';

/** A volume whose content is an archive has no place of its own. Its row is its reference. */
const nowhere: Places<VolumeRecord> = {
  findMissing: async (volumes) => volumes.map(() => true),
  remove: async () => {},
};

/**
 * Returns a function that returns the places of a volume's store: the same object for all volumes of
 * a store.
 *
 * @param removed - called for each place that the store has deleted
 */
export function volumePlaces(
  stores: ReadonlyMap<string, ArtifactStore>,
  removed: () => void,
): (volume: VolumeRecord) => Places<VolumeRecord> {
  const found = new Map<string, Places<VolumeRecord>>();
  return ({ store: name, location }) => {
    if (isNowhere(location)) return nowhere;
    const places = found.get(name) ?? placesIn(name, stores.get(name), removed);
    found.set(name, places);
    return places;
  };
}

function isNowhere(location: VolumeRecord['location']): boolean {
  return Object.keys(location).length === 0;
}

function placesIn(name: string, store: ArtifactStore | undefined, removed: () => void): Places<VolumeRecord> {
  if (store === undefined) {
    const reject = async (): Promise<never> => await Promise.reject(new StoreNotConfiguredError(name));
    return { findMissing: reject, remove: reject };
  }
  return {
    findMissing: async (volumes, options) => {
      const locations = volumes.map(({ location }) => location);
      return await store.findMissing(locations, options);
    },
    remove: async ({ location }, options) => {
      if (await store.delete(location, options)) removed();
    },
  };
}
