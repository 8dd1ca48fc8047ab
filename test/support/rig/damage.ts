/** What happens to one of many; the first is number 0. */
export type Damage = { readonly drop: number } | { readonly duplicate: number } | { readonly swapWithNext: number };

/** Loses, repeats or swaps one of the things that pass. */
export class Damaged<T> {
  readonly #damage: Damage | undefined;
  #count = 0;
  #held: T | undefined;

  constructor(damage: Damage | undefined) {
    this.#damage = damage;
  }

  /** What comes out for this one. */
  push(thing: T): T[] {
    const number = this.#count;
    this.#count += 1;
    const damage = this.#damage;
    if (damage === undefined) return [thing];
    if ('drop' in damage) return number === damage.drop ? [] : [thing];
    if ('duplicate' in damage) return number === damage.duplicate ? [thing, thing] : [thing];
    if (number === damage.swapWithNext) {
      this.#held = thing;
      return [];
    }
    const held = this.#held;
    this.#held = undefined;
    return held === undefined ? [thing] : [thing, held];
  }
}
