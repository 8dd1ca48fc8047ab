/** How many causes of an error are logged. */
const maxCauses = 5;

/** Returns the fields with each error among them as `{ code, message, cause, stack }`. */
export function errorFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? errorOf(value, maxCauses) : value]),
  );
}

function errorOf(error: Error, causes: number): Record<string, unknown> {
  const { message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return {
    ...(code === undefined ? {} : { code }),
    message,
    ...(cause === undefined || causes === 0 ? {} : { cause: causeOf(cause, causes - 1) }),
    stack,
  };
}

function causeOf(cause: unknown, causes: number): unknown {
  if (!(cause instanceof Error)) return { message: String(cause) };
  const { stack: _, ...fields } = errorOf(cause, causes);
  return fields;
}
