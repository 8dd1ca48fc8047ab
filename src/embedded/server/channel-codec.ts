import { isRecord } from '../objects/api-object.ts';
import type { StatusBody } from '../objects/status.ts';

/** The channels of `v4.channel.k8s.io` and `v5.channel.k8s.io`. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;
/** The largest payload of an output message; the message adds the byte of its channel. */
export const maxOutputBytes: number = 32 * 1024;

/** A decoded message of a client. */
export type ClientMessage =
  | { readonly kind: 'stdin'; readonly bytes: Buffer }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'close-stdin' }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'violation' };

/** Decodes a message. Only v5 has CLOSE. A CLOSE of a channel other than stdin is ignored. */
export function decodeMessage(message: Buffer, version: 4 | 5): ClientMessage {
  const channel = message[0];
  switch (channel) {
    case channels.stdin:
      return { kind: 'stdin', bytes: message.subarray(1) };
    case channels.resize:
      return decodeResize(message.subarray(1));
    case channels.close:
      if (version === 4) return { kind: 'ignored' };
      if (message.length !== 2) return { kind: 'violation' };
      return { kind: message[1] === channels.stdin ? 'close-stdin' : 'ignored' };
    default:
      return { kind: 'ignored' };
  }
}

function decodeResize(payload: Buffer): ClientMessage {
  try {
    const size: unknown = JSON.parse(payload.toString('utf8'));
    if (!isRecord(size) || typeof size['Width'] !== 'number' || typeof size['Height'] !== 'number')
      return { kind: 'ignored' };
    return { kind: 'resize', columns: size['Width'], rows: size['Height'] };
  } catch {
    return { kind: 'ignored' };
  }
}

/** Encodes a message: the byte of the channel, then the payload. */
export function encodeMessage(channel: number, payload: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(payload.length + 1);
  message[0] = channel;
  message.set(payload, 1);
  return message;
}

/** Splits output into messages. */
export function* outputMessages(channel: number, output: Buffer): Generator<Buffer> {
  for (let at = 0; at < output.length; at += maxOutputBytes)
    yield encodeMessage(channel, output.subarray(at, at + maxOutputBytes));
}

/**
 * The Status of an exec: without kind and version and with empty metadata, as the real server sends
 * it.
 */
export type ExecStatus = Omit<StatusBody, 'kind' | 'apiVersion'>;

/**
 * Returns the status of a command that ended. `version` determines the message, as on the real
 * server.
 */
export function exitStatus(exitCode: number, version: 4 | 5, command: readonly string[]): ExecStatus {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  const detail =
    version === 5
      ? `command terminated with exit code ${exitCode}`
      : `error executing command [${command.join(' ')}], exit code ${exitCode}`;
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${detail}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

/** Returns the status of a command that did not start. */
export function failureStatus(message: string): ExecStatus {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  };
}
