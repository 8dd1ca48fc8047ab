/** What the documentation has about an error of the library. */
export interface ErrorReference {
  readonly code: string;
  readonly className: string;
  readonly when: string;
  /** `yes`, `no` or `by case`. */
  readonly retryable: string;
  /** The fields that the class adds to those of its base class. */
  readonly fields: readonly string[];
}

/** Returns the code as the library has it, of `POD_EVICTED` and `pod-evicted` as well. */
export function codeOf(text: string): string {
  const name = text.toUpperCase().replaceAll('-', '_');
  return name.startsWith('KW_ERR_') ? name : `KW_ERR_${name}`;
}
