/** How a command ended, as the server reports it on channel 3. */
export type ExecStatus =
  /** The command ran and exited. */
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** The command could not be started, or its exit code is unknown to the server. */
  | {
      readonly kind: 'failed';
      readonly message: string;
      readonly reason: string | undefined;
      readonly code: number | undefined;
    };

/**
 * Decodes the text of channel 3. Returns `undefined` if it is not a complete, valid status: the
 * outcome is unknown then. An empty or a garbled status is never a success.
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

/** Returns `undefined` if the code is unreadable: the outcome is unknown then, not exit code 1. */
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
