import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import type { Logger } from '../../../index.ts';
import { HttpError } from '../http/http-error.ts';

export interface TokenFileOptions {
  /** The path of the file. Each of its lines is a token, so that a rotation can overlap. */
  readonly path: string;
  readonly logger: Pick<Logger, 'error'>;
  /** Reads the file. @defaultValue from the file system */
  readonly read?: ((path: string) => Promise<string>) | undefined;
}

/** The shortest token that is accepted. */
const minTokenLength = 16;

/** Accepts the tokens of a file, which is read for each request, so that a rotation takes effect at once. */
export class TokenFile {
  readonly #options: TokenFileOptions;

  constructor(options: TokenFileOptions) {
    this.#options = options;
  }

  /** @throws HttpError - the token is not in the file, or the file has none */
  async check(token: string): Promise<void> {
    const digest = sha256(token);
    let isValid = false;
    // Every token is compared, so that the time depends on the file alone.
    for (const each of await this.#tokens()) isValid = timingSafeEqual(sha256(each), digest) || isValid;
    if (!isValid) throw new HttpError('KW_HTTP_UNAUTHENTICATED', 'The token is not valid.', challenge);
  }

  async #tokens(): Promise<readonly string[]> {
    const { path, logger, read = readText } = this.#options;
    let text = '';
    try {
      text = await read(path);
    } catch (error) {
      logger.error('the file of tokens cannot be read', { path, error });
    }
    const tokens = text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.length >= minTokenLength);
    if (tokens.length === 0) throw new HttpError('KW_HTTP_AUTH_UNAVAILABLE', 'The server has no token to compare.');
    return tokens;
  }
}

/** The header of a response to a request without a valid token. */
export const challenge: Readonly<Record<string, string>> = { 'WWW-Authenticate': 'Bearer realm="kubernetes-worker"' };

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8');
}
