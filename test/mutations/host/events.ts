import type { Mutant } from '../../../scripts/mutant.ts';

const hub = { specs: ['test/unit/events/event-hub.spec.ts'] };
const buffer = 'src/events/event-buffer.ts';

/** Changes of `src/events` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a full buffer of events counts one dropped event only',
    file: buffer,
    find: 'dropped: (this.#gap?.dropped ?? 0) + 1',
    replace: 'dropped: 1',
    killedBy: hub,
  },
  {
    name: 'a full buffer of events grows',
    file: buffer,
    find: 'if (this.#entries.length >= this.#options.size) {',
    replace: 'if (this.#entries.length >= 1_000_000) {',
    killedBy: hub,
  },
  {
    name: 'the overflow of a buffer of events is reported out of its place',
    file: buffer,
    find: 'this.#entries.push({ event, gap: this.#gap });\n    this.#gap = undefined;',
    replace: 'this.#entries.push({ event, gap: undefined });',
    killedBy: hub,
  },
];
