import type { AgentConnection, Json } from './agent-connection.ts';
import { decodeWindow, encodeData, frameType } from './agent-frames.ts';

/** How the agent ended an attachment whose host has sent more stdin than it granted. */
export interface Overfed {
  /** The end of what the agent has granted. */
  readonly limit: number;
  readonly error: Json;
}

/**
 * Sends stdin to a command that reads none: as much as the agent grants, and then a block more. The
 * agent grants a finite number of bytes, so a late grant only delays the violation.
 */
export async function overfeed(connection: AgentConnection): Promise<Overfed> {
  const block = Buffer.alloc(65_536);
  let offset = 0;
  const send = (): void => {
    connection.write(encodeData(0, offset, block));
    offset += block.length;
  };
  let { limit } = decodeWindow(await connection.expect(frameType.window));
  for (;;) {
    while (offset + block.length <= limit) send();
    if (await connection.silent(100)) send();
    const frame = await connection.next();
    if (frame?.type === frameType.error) return { limit, error: JSON.parse(frame.payload.toString()) as Json };
    if (frame?.type !== frameType.window) throw new Error(`received frame ${frame?.type}, expected WINDOW`);
    ({ limit } = decodeWindow(frame));
  }
}
