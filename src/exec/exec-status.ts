/** How the server says that a command ended, on channel 3. */
export type ExecStatus =
  /** The command ran and ended. */
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** The command could not be started, or its end could not be learned. */
  | {
      readonly kind: 'failed';
      readonly message: string;
      readonly reason: string | undefined;
      readonly code: number | undefined;
    };

/**
 * Decodes what came on channel 3. `undefined`: it isn't a complete, valid status, which means that the outcome is unknown; an empty or a garbled one is
 * never a success.
 */
export function decodeExecStatus(text: string): ExecStatus | undefined {
  const status = parseObject(text);
  if (status === undefined) return undefined;
  if (status['status'] === 'Success') return { kind: 'exited', exitCode: 0 };
  if (status['status'] !== 'Failure') return undefined;
  if (status['reason'] === 'NonZeroExitCode') return decodeExitCode(status);
  return {
    kind: 'failed',
    message: textOf(status['message']) ?? 'no message',
    reason: textOf(status['reason']),
    code: typeof status['code'] === 'number' ? status['code'] : undefined,
  };
}

/** A failed exit whose code cannot be read is an unknown outcome, not exit code 1. */
function decodeExitCode(status: JsonObject): ExecStatus | undefined {
  const details = objectOf(status['details']);
  const causes = Array.isArray(details?.['causes']) ? details['causes'] : [];
  for (const cause of causes) {
    const { reason, message } = objectOf(cause) ?? {};
    if (reason === 'ExitCode' && typeof message === 'string' && /^\d{1,3}$/.test(message) && message !== '0') {
      return { kind: 'exited', exitCode: Number(message) };
    }
  }
  return undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(text: string): JsonObject | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
