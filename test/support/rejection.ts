import { inspect } from 'node:util';

/** Returns the error of a rejected promise. Rejects if the promise resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`rejected with a value that is not an Error: ${String(error)}`, { cause: error });
  }
  throw new Error(`resolved to ${inspect(value).slice(0, 500)}, a rejection was expected`);
}
