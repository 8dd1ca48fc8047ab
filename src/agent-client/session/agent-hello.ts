import { AgentIncompatibleError, ProtocolViolationError } from '../../errors/connection.ts';
import { encodeControl, type Fields } from '../wire/control.ts';
import { encodeFrame, FrameType } from '../wire/frame.ts';

const MAGIC = 'kubernetes-worker';

/** The versions of docs/agent-protocol.md that this library speaks. */
const LIBRARY_PROTOCOL: readonly [number, number] = [1, 4];
/** The first version in which a transfer can resume over another connection. */
export const RESUMABLE_SINCE = 2;
/** The first version in which END can carry the flag that the source has proven its end. */
export const PROVEN_SINCE = 3;
/** The first version in which an operation can carry the generation of a lease. */
export const FENCED_SINCE = 3;
/**
 * The first version in which the agent marks results that follow its own TERM, reports the owner of
 * stdin, and answers a stop at once.
 */
export const PROCESS_FATES_SINCE = 3;
/**
 * The first version in which the agent computes the digest of a download without sending it, and
 * keeps archive files.
 */
export const ARCHIVES_SINCE = 4;

/** The agent's HELLO. */
export interface AgentHello {
  /** The protocol version that both ends speak. */
  readonly protocol: number;
  readonly version: string;
  /** Unique to each start of the agent: a restarted container has a new one. */
  readonly incarnation: string;
  readonly arch: string;
  readonly uid: number;
  readonly gid: number;
  /** The free space in the file system of the state directory. */
  readonly freeBytes: number;
  /** Whether the agent is the container's first process. */
  readonly pid1: boolean;
}

/** Returns the host's HELLO frame. */
export function encodeHello(libraryVersion: string): Uint8Array[] {
  return encodeFrame({
    type: FrameType.HELLO,
    text: encodeControl({ magic: MAGIC, protocol: LIBRARY_PROTOCOL, version: libraryVersion }),
  });
}

/** @throws ProtocolViolationError, AgentIncompatibleError */
export function readHello(fields: Fields): AgentHello {
  if (fields.string('magic') !== MAGIC) throw new ProtocolViolationError('HELLO is not from the agent');
  const range = fields.range('protocol');
  const protocol = Math.min(range[1], LIBRARY_PROTOCOL[1]);
  if (protocol < Math.max(range[0], LIBRARY_PROTOCOL[0])) throw new AgentIncompatibleError(range, LIBRARY_PROTOCOL);
  return {
    protocol,
    version: fields.string('version'),
    incarnation: fields.string('incarnation'),
    arch: fields.string('arch'),
    uid: fields.count('uid'),
    gid: fields.count('gid'),
    freeBytes: fields.count('freeBytes'),
    pid1: fields.boolean('pid1'),
  };
}
