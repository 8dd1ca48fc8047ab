import {
  ArtifactTooLargeError,
  CorruptArchiveError,
  type TransferFacts,
  UnsafeArchivePathError,
  UnsupportedEntryError,
} from '../../errors/transfer.ts';
import { normalPath } from './entry-path.ts';
import { displayName, type TarEntry } from './tar-reader.ts';

/** The agent's own file in a volume (agent/src/volume/tree_writer.h). */
const RESERVED_NAME = '.kw-commit-5b0e4d3a91c7';

const MAX_TARGET_BYTES = 4095;

/** Checks the entries of an archive by the rules of the agent, and counts them. */
export class EntryCheck {
  readonly #facts: TransferFacts;
  readonly #limitBytes: number | undefined;
  #entries = 0;
  #expandedBytes = 0;

  /** @param limitBytes - the limit for the content of all files; `undefined`: none */
  constructor(facts: TransferFacts, limitBytes: number | undefined) {
    this.#facts = facts;
    this.#limitBytes = limitBytes;
  }

  get entries(): number {
    return this.#entries;
  }

  /** The size of the content of all files. */
  get expandedBytes(): number {
    return this.#expandedBytes;
  }

  /**
   * Returns the normal path of an entry; `''` is the root.
   *
   * @throws CorruptArchiveError, UnsafeArchivePathError, UnsupportedEntryError, ArtifactTooLargeError
   */
  take(entry: TarEntry): string {
    const facts = { ...this.#facts, entry: displayName(entry.name) };
    if (entry.name === '') throw new CorruptArchiveError(facts, 'an entry has no name');
    const path = checkedPath(entry.name, 'an entry', facts);
    if (path === '') {
      if (entry.kind === 'directory') return path;
      throw new CorruptArchiveError(facts, "the archive's root is not a folder");
    }
    this.#entries += 1;
    if (entry.kind === 'link' || entry.kind === 'symlink') checkTarget(entry, facts);
    this.#expandedBytes += entry.size;
    if (this.#expandedBytes > (this.#limitBytes ?? Number.MAX_SAFE_INTEGER))
      throw new ArtifactTooLargeError(facts, this.#limitBytes ?? Number.MAX_SAFE_INTEGER);
    return path;
  }
}

function checkTarget({ kind, target }: TarEntry, facts: TransferFacts): void {
  if (target === '')
    throw new CorruptArchiveError(facts, `a ${kind === 'link' ? 'hard' : 'symbolic'} link has no target`);
  if (target.length > MAX_TARGET_BYTES)
    throw new UnsupportedEntryError(facts, `a link has a target of more than ${MAX_TARGET_BYTES} bytes`);
  if (kind === 'link' && checkedPath(target, "a hard link's target", facts) === '')
    throw new CorruptArchiveError(facts, 'a hard link to a folder');
}

function checkedPath(name: string, what: string, facts: TransferFacts): string {
  const path = name.startsWith('/') ? ({ problem: 'unsafe' } as const) : normalPath(name);
  if (typeof path !== 'string') {
    if (path.problem === 'unsafe') throw new UnsafeArchivePathError(facts);
    throw new UnsupportedEntryError(facts, `${what} has a path of more than 4095 bytes, or a name of more than 255`);
  }
  if (path.startsWith(RESERVED_NAME)) throw new UnsupportedEntryError(facts, `${what} has a reserved name`);
  return path;
}
