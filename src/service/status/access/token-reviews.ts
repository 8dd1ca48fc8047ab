import type { Logger, TokenReview, WorkerTokens } from '../../../index.ts';
import { HttpError } from '../http/http-error.ts';
import { challenge, sha256 } from './token-file.ts';

export interface TokenReviewsOptions {
  /** Returns the worker, or `undefined` before it is open. */
  readonly worker: () => Pick<WorkerTokens, 'reviewToken'> | undefined;
  readonly logger: Pick<Logger, 'warn'>;
  /** Returns the time in milliseconds, from any origin. @defaultValue `performance.now` */
  readonly now?: (() => number) | undefined;
}

/** How long a decision is used again. A token that is revoked is accepted for as long. */
const freshMs = 10_000;
const maxDecisions = 1_000;
/** How many reviews run at once. */
const maxReviews = 8;
const reviewTimeoutMs = 5_000;

/** Who may read the logs of the namespace's pods may read what the API serves. */
const permission = { verb: 'get', resource: 'pods/log' } as const;

interface Decision {
  readonly review: Promise<TokenReview>;
  readonly until: number;
}

/**
 * Accepts the tokens of users of the cluster who may read the logs of the worker's pods. Decisions are
 * kept for a short time, by the digest of the token, and concurrent requests share a review.
 */
export class TokenReviews {
  readonly #options: TokenReviewsOptions;
  readonly #now: () => number;
  readonly #decisions = new Map<string, Decision>();
  #reviews = 0;

  constructor(options: TokenReviewsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @throws HttpError - the token is not valid, its user lacks the permission, or no review is possible */
  async check(token: string): Promise<void> {
    const { user, allowed } = await this.#review(token);
    if (user === undefined) throw new HttpError('KW_HTTP_UNAUTHENTICATED', 'The token is not valid.', challenge);
    if (!allowed)
      throw new HttpError('KW_HTTP_FORBIDDEN', 'The user of the token may not get pods/log in the namespace.');
  }

  async #review(token: string): Promise<TokenReview> {
    const key = sha256(token).toString('base64');
    const known = this.#decisions.get(key);
    if (known !== undefined && known.until > this.#now()) return await known.review;
    this.#decisions.delete(key);
    const decision = { review: this.#ask(token), until: this.#now() + freshMs };
    this.#decisions.set(key, decision);
    this.#forgetOldest();
    try {
      return await decision.review;
    } catch (error) {
      if (this.#decisions.get(key) === decision) this.#decisions.delete(key);
      throw error;
    }
  }

  async #ask(token: string): Promise<TokenReview> {
    const worker = this.#options.worker();
    if (worker === undefined) throw new HttpError('KW_HTTP_STARTING', 'The service is starting.');
    if (this.#reviews >= maxReviews)
      throw new HttpError('KW_HTTP_BUSY', 'The server reviews as many tokens as it may at once.');
    this.#reviews += 1;
    try {
      return await worker.reviewToken(token, { permission, signal: AbortSignal.timeout(reviewTimeoutMs) });
    } catch (error) {
      this.#options.logger.warn('a token cannot be reviewed', { error });
      throw new HttpError('KW_HTTP_AUTH_UNAVAILABLE', 'The cluster did not review the token.');
    } finally {
      this.#reviews -= 1;
    }
  }

  /** The map is in the order of insertion, and all decisions are used for the same time. */
  #forgetOldest(): void {
    const [oldest] = this.#decisions.keys();
    if (this.#decisions.size > maxDecisions && oldest !== undefined) this.#decisions.delete(oldest);
  }
}
