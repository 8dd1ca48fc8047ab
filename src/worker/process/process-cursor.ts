import { InvalidSpecError } from '../../errors/caller.ts';

/** Where a page of processes begins. */
export interface ProcessPlace {
  /** The cursor after which the containers follow. `undefined`: the first one. */
  readonly after?: string | undefined;
  /** The last process of the page before, if the next container may be that of this process. */
  readonly last?: { readonly handle: string; readonly processId: string } | undefined;
}

/** Returns the opaque text of a place. */
export function encodeProcessPlace({ after = '', last }: ProcessPlace): string {
  const parts = last === undefined ? [after] : [after, last.handle, last.processId];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** @throws InvalidSpecError - the text is not from `encodeProcessPlace` */
export function decodeProcessPlace(text: string | undefined): ProcessPlace {
  if (text === undefined) return {};
  const [after, handle, processId, ...rest] = textsOf(Buffer.from(text, 'base64url').toString());
  const hasLast = handle !== undefined && processId !== undefined;
  if (after === undefined || rest.length > 0 || (handle !== undefined) !== hasLast)
    throw new InvalidSpecError('after', 'is not the cursor of a page of processes');
  return { after: after === '' ? undefined : after, last: hasLast ? { handle, processId } : undefined };
}

function textsOf(json: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : [];
  } catch {
    return [];
  }
}
