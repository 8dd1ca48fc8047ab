import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import type { Architecture } from '../runtime/container.ts';

/** The folders of the binaries, relative to the sources and to the built files. */
const FOLDERS = ['../../agent/bin/', '../../../agent/bin/'] as const;

const PLATFORMS = { amd64: 'linux-x64', arm64: 'linux-arm64' } as const satisfies Record<Architecture, string>;

/** The agent's program for one architecture. */
export interface AgentBinary {
  readonly architecture: Architecture;
  readonly bytes: Buffer;
  /** SHA-256, in hex. */
  readonly sha256: string;
}

/** Reads the program from the package. */
export async function readAgentBinary(architecture: Architecture): Promise<AgentBinary> {
  const bytes = await readFirst(
    FOLDERS.map((folder) => new URL(`${folder}${PLATFORMS[architecture]}/agent`, import.meta.url)),
  );
  return { architecture, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function readFirst([first, ...others]: readonly URL[]): Promise<Buffer> {
  if (first === undefined) throw new Error('no folders to search');
  try {
    return await readFile(first);
  } catch (error) {
    if (others.length === 0) throw error;
    return await readFirst(others);
  }
}
