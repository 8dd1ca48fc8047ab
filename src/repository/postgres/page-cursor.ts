import { InvalidSpecError } from '../../errors/caller.ts';

/** The place of a row in a list that is ordered by `created_at`, then `id`. */
export interface RowPlace {
  /** The time as the server writes it in JSON, to the microsecond. */
  readonly createdAt: string;
  readonly id: number;
}

const timePattern = /^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d){0,2}$/;

/** Returns the opaque text of a place. */
export function encodeCursor({ createdAt, id }: RowPlace): string {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url');
}

/** @throws InvalidSpecError - the text is not from `encodeCursor` */
export function decodeCursor(field: string, text: string): RowPlace {
  const [createdAt, id, ...rest] = listOf(Buffer.from(text, 'base64url').toString());
  if (
    typeof createdAt !== 'string' ||
    !timePattern.test(createdAt) ||
    typeof id !== 'number' ||
    !Number.isSafeInteger(id) ||
    rest.length > 0
  )
    throw new InvalidSpecError(field, 'is not the cursor of a page');
  return { createdAt, id };
}

function listOf(json: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
