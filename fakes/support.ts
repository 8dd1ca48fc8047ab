import sinon, { type SinonStub } from 'sinon';

/** @public */
export type AnyMethod = (...args: never[]) => unknown;

/**
 * A sinon stub with the parameters and the result of the method type `M`.
 *
 * @public
 */
export type StubOf<M extends AnyMethod> = SinonStub<Parameters<M>, ReturnType<M>>;

/**
 * The error that a fake's method throws or rejects with if a test calls it without a stubbed
 * result, and its result has no zero value.
 *
 * @public
 */
export class UnstubbedCallError extends Error {
  override readonly name = 'UnstubbedCallError';
  /** The fake's class, like `FakeContainer`. */
  readonly fake: string;
  readonly method: string;

  constructor(fake: string, method: string) {
    super(`${fake}.${method} was called, but the test has not stubbed it`);
    this.fake = fake;
    this.method = method;
  }
}

/**
 * Returns a stub that calls `initial` until a test stubs it. The messages of sinon call it `label`.
 */
export function stubOf<M extends AnyMethod>(label: string, initial: () => ReturnType<M>): StubOf<M> {
  const stub = sinon.stub<Parameters<M>, ReturnType<M>>().callsFake(initial);
  return Object.defineProperty(stub, 'displayName', { value: label });
}

/** The zero value of an asynchronous iterable, which ends at once. */
export async function* emptyAsyncIterable(): AsyncGenerator<never, void, void> {}
