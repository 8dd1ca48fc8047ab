/** The prefix of the variables of the configuration. */
export const variablePrefix = 'KW_';

/** The variable with the path of the configuration file. */
export const fileVariable = 'KW_CONFIG';

/** Returns the variable of a key: `KW_LIMITS_LEASE_MS` for `limits.leaseMs`. */
export function variableOf(path: string): string {
  return variablePrefix + wordsOf(path).join('_').toUpperCase();
}

/** Returns the flag of a key: `--limits-lease-ms` for `limits.leaseMs`. */
export function flagOf(path: string): string {
  return `--${wordsOf(path).join('-').toLowerCase()}`;
}

function wordsOf(path: string): readonly string[] {
  return path.split('.').flatMap((name) => name.split(/(?=[A-Z])/));
}
