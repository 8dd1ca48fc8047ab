import { isDeepStrictEqual } from 'node:util';

import { configSchema, type ServiceConfig } from './config.ts';
import { schemaKeys } from './schema-keys.ts';
import { type ValueTree, valueAt, withValue } from './value-tree.ts';

/** What a new configuration changes in a running service. */
export interface ConfigChange {
  /** The configuration in force: the new values of live keys, and the old ones of all others. */
  readonly config: ServiceConfig;
  /** The keys whose new values are in force now. */
  readonly applied: readonly string[];
  /** The keys whose new values need a restart. */
  readonly needRestart: readonly string[];
}

/** Compares a new configuration with the one in force. */
export function changeOf(current: ServiceConfig, next: ServiceConfig): ConfigChange {
  const changed = schemaKeys.filter(({ path }) => !isDeepStrictEqual(valueAt(current, path), valueAt(next, path)));
  const live = changed.filter(({ reload }) => reload === 'live');
  const tree = live.reduce<ValueTree>(
    (values, { path }) => withValue(values, path, valueAt(next, path)),
    current as unknown as ValueTree,
  );
  return {
    config: live.length === 0 ? current : configSchema.parse(tree),
    applied: live.map(({ path }) => path),
    needRestart: changed.filter(({ reload }) => reload === 'restart').map(({ path }) => path),
  };
}
