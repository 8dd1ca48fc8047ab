/**
 * A change of one source file that a test must detect. `npm run mutate` applies it in a copy of the
 * tree.
 */
export interface Mutant {
  /** Unique in its list. Names the guarantee that the change breaks. */
  readonly name: string;
  /** The source file, from the top of the repository. */
  readonly file: string;
  /** The text to replace. It must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly killedBy: {
    /**
     * Spec files, from the top of the repository. At least one of their tests must fail under the
     * change.
     */
    readonly specs: readonly string[];
    /** Runs only the tests whose full title contains this text. */
    readonly grep?: string;
  };
}
