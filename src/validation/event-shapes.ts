import * as v from 'valibot';

import { InvalidSpecError } from '../errors/caller.ts';
import type { EventsOptions } from '../runtime/worker-events.ts';
import { optionalNumber, optionalSignal } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const eventsOptions: v.GenericSchema = v.strictObject({
  bufferSize: optionalNumber,
  signal: optionalSignal,
} satisfies FieldsOf<EventsOptions>);

const maxBufferSize = 100_000;

/** @throws InvalidSpecError */
export function checkBufferSize({ bufferSize = 1 }: EventsOptions): void {
  if (!Number.isSafeInteger(bufferSize) || bufferSize < 1 || bufferSize > maxBufferSize)
    throw new InvalidSpecError('bufferSize', `${bufferSize} is not a whole number from 1 to ${maxBufferSize}`);
}
