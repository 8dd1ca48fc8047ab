/** A change of one source file that a test has to notice. `npm run mutate` applies it in a copy of the tree. */
export interface Mutant {
  /** Unique in its list; names what is lost. */
  readonly name: string;
  /** The source file, from the top of the repository. */
  readonly file: string;
  /** The text to replace. It occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly killedBy: {
    /** Spec files, from the top of the repository: at least one of their tests fails under the change. */
    readonly specs: readonly string[];
    /** Runs only the tests whose full title contains this text. */
    readonly grep?: string;
  };
}
