import { quote } from './quote.ts';

/** The message and the reason of a Kubernetes `Status`. */
export interface StatusWords {
  readonly message: string;
  readonly reason: string | undefined;
}

const maxLength = 1000;

/**
 * Reads a response body. Returns `undefined` if it is not a `Status`, but a proxy's page or plain
 * text.
 */
export function readStatusWords(body: string): StatusWords | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    if (!('message' in parsed) || typeof parsed.message !== 'string') return undefined;
    const reason =
      'reason' in parsed && typeof parsed.reason === 'string' && parsed.reason !== '' ? parsed.reason : undefined;
    return { message: quote(parsed.message, maxLength), reason };
  } catch {
    return undefined;
  }
}
