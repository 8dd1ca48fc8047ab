import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';

import { DirectReading } from '../../internal/direct-reading.ts';

type Created = (error: Error | null, socket: Duplex) => void;

/**
 * An agent whose connections read into one buffer each. The parser of HTTP copies what it passes on, so
 * that nothing uses the buffer after it has parsed it.
 */
export class ReusingHttpAgent extends HttpAgent {
  override createConnection(options: ClientRequestArgs, created?: Created): Duplex | null | undefined {
    return reusing((onread) => super.createConnection({ ...options, ...onread }, created));
  }
}

/** As `ReusingHttpAgent`, for TLS. */
export class ReusingHttpsAgent extends HttpsAgent {
  override createConnection(options: RequestOptions, created?: Created): Duplex | null | undefined {
    return reusing((onread) => super.createConnection({ ...options, ...onread }, created));
  }
}

function reusing(
  create: (option: { readonly onread: ReturnType<DirectReading['onread']> }) => Duplex | null | undefined,
): Duplex | null | undefined {
  const reading = new DirectReading();
  const socket = create({ onread: reading.onread() });
  // As a stream in flowing mode does it, without its own buffer.
  reading.begin((bytes) => socket?.emit('data', bytes));
  return socket;
}
