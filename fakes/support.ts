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
 * What a fake's method throws, or rejects with, when it was called before the test gave it a result and its result has no zero value.
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

/** A stub that answers as `initial` does until a test says otherwise; sinon's messages call it `label`. */
export function stubOf<M extends AnyMethod>(label: string, initial: () => ReturnType<M>): StubOf<M> {
  const stub = sinon.stub<Parameters<M>, ReturnType<M>>().callsFake(initial);
  return Object.defineProperty(stub, 'displayName', { value: label });
}

/** The zero value of an asynchronous iterable: one that ends at once. */
export async function* emptyAsyncIterable(): AsyncGenerator<never, void, void> {}
