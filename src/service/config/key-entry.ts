/** The form of a key's value, which decides how the text of a variable or a flag is read. */
export type KeyType = 'text' | 'integer' | 'boolean' | 'choice' | 'list' | 'object' | 'text or list';

/** A key of the configuration, as a plain object that needs no schema. */
export interface KeyEntry {
  /** Such as `limits.leaseMs`. */
  readonly path: string;
  /** The variable, such as `KW_LIMITS_LEASE_MS`. */
  readonly env: string;
  /** The flag, such as `--limits-lease-ms`. */
  readonly flag: string;
  readonly type: KeyType;
  /** The values of a choice. */
  readonly choices?: readonly string[];
  readonly secret: boolean;
  readonly reload: 'live' | 'restart';
  /** The first sentence of the description. */
  readonly summary: string;
}
