/** The damage to one item of a sequence; the first item is number 0. */
export type Damage = { readonly drop: number } | { readonly duplicate: number } | { readonly swapWithNext: number };

/** Drops, duplicates or swaps one item of a sequence. */
export class Damaged<T> {
  readonly #damage: Damage | undefined;
  #count = 0;
  #held: T | undefined;

  constructor(damage: Damage | undefined) {
    this.#damage = damage;
  }

  /** Returns the items to pass on for this one. */
  push(item: T): T[] {
    const number = this.#count;
    this.#count += 1;
    const damage = this.#damage;
    if (damage === undefined) return [item];
    if ('drop' in damage) return number === damage.drop ? [] : [item];
    if ('duplicate' in damage) return number === damage.duplicate ? [item, item] : [item];
    if (number === damage.swapWithNext) {
      this.#held = item;
      return [];
    }
    const held = this.#held;
    this.#held = undefined;
    return held === undefined ? [item] : [item, held];
  }
}
