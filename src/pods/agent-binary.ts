import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { InvalidSpecError } from '../errors/caller.ts';
import type { Architecture } from '../runtime/container.ts';

/** The folders of the binaries, relative to the sources and to the built files. */
const FOLDERS = ['../../agent/bin/', '../../../agent/bin/'] as const;

const PLATFORMS = { amd64: 'linux-x64', arm64: 'linux-arm64' } as const satisfies Record<Architecture, string>;

/** The field `e_machine` of ELF files. */
const MACHINES = { amd64: 62, arm64: 183 } as const satisfies Record<Architecture, number>;
const machineOffset = 18;

/** A host's place of the agent's program: its path, or its path for an architecture. */
export type AgentBinaryPath = string | ((architecture: Architecture) => string);

/** The agent's program for one architecture. */
export interface AgentBinary {
  readonly architecture: Architecture;
  readonly bytes: Buffer;
  /** SHA-256, in hex. */
  readonly sha256: string;
}

/**
 * Reads the program from the host's place, else from the package.
 *
 * @throws InvalidSpecError - `agentBinary`: there is no file, or it is not a program for this
 * architecture
 */
export async function readAgentBinary(architecture: Architecture, path?: AgentBinaryPath): Promise<AgentBinary> {
  const bytes =
    path === undefined
      ? await readOfPackage(architecture)
      : await readProgram(pathFor(architecture, path), [architecture]);
  return { architecture, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/**
 * Checks the host's place before anything is created. Without an architecture it checks one path for
 * any of them; the result of a function is checked when a container needs it.
 *
 * @throws InvalidSpecError - `agentBinary`
 */
export async function checkAgentBinary(
  path: AgentBinaryPath | undefined,
  architecture: Architecture | undefined,
): Promise<void> {
  if (path === undefined) return;
  if (architecture !== undefined) await readProgram(pathFor(architecture, path), [architecture]);
  else if (typeof path === 'string') await readProgram(path, ['amd64', 'arm64']);
}

function pathFor(architecture: Architecture, path: AgentBinaryPath): string {
  const chosen: unknown = typeof path === 'string' ? path : path(architecture);
  if (typeof chosen === 'string') return chosen;
  throw invalid(`the function returned no path for ${architecture}`);
}

async function readProgram(path: string, architectures: readonly Architecture[]): Promise<Buffer> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw invalid(`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  if (architectures.some((architecture) => isProgram(bytes, architecture))) return bytes;
  throw invalid(`${path} is not a Linux program for ${architectures.join(' or ')}`);
}

async function readOfPackage(architecture: Architecture): Promise<Buffer> {
  const paths = FOLDERS.map((folder) =>
    fileURLToPath(new URL(`${folder}${PLATFORMS[architecture]}/agent`, import.meta.url)),
  );
  return await readFirst(paths).catch((cause: unknown) => {
    throw invalid(
      `is not set, and ${paths.join(' and ')} cannot be read: a bundler has moved the library away from its agent. Set agentBinary to the path of the agent`,
      { cause },
    );
  });
}

async function readFirst([first, ...others]: readonly string[]): Promise<Buffer> {
  if (first === undefined) throw new Error('no folders to search');
  try {
    return await readFile(first);
  } catch (error) {
    if (others.length === 0) throw error;
    return await readFirst(others);
  }
}

function isProgram(bytes: Buffer, architecture: Architecture): boolean {
  return (
    bytes.length > machineOffset + 1 &&
    bytes.toString('latin1', 0, 4) === '\x7fELF' &&
    bytes.readUInt16LE(machineOffset) === MACHINES[architecture]
  );
}

function invalid(problem: string, options?: ErrorOptions): InvalidSpecError {
  return new InvalidSpecError('agentBinary', problem, options);
}
