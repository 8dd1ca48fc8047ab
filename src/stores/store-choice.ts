import { InvalidSpecError } from '../errors/caller.ts';
import type { SaveOutputs, StoresOptions } from './stores-options.ts';

/** The names of the stores of new content, and the terms of saves. */
export interface StoreChoice {
  readonly artifacts: string;
  readonly outputs: string;
  readonly caches: string;
  readonly saveOutputs: SaveOutputs;
  readonly unavailableBudgetMs: number;
}

/** The name of the store whose content is in pods. Every worker has it. */
export const podStoreName = 'pod';
/** The characters of a name that is stored with each archive and labels metrics. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Returns the stores that new content goes to, with the defaults of what is undefined. */
export function chooseStores(options: StoresOptions): StoreChoice {
  const [only = podStoreName, ...others] = namesOf(options);
  const usual = others.length === 0 ? only : podStoreName;
  const { artifacts = usual, outputs = usual, caches = usual } = options;
  const { saveOutputs = 'always', unavailableBudgetMs = 300_000 } = options;
  return { artifacts, outputs, caches, saveOutputs, unavailableBudgetMs };
}

/** @throws InvalidSpecError if an option has an invalid value; the error names the field */
export function checkStores(options: StoresOptions): void {
  checkCustom(options);
  const names = namesOf(options);
  for (const field of ['artifacts', 'outputs', 'caches'] as const) {
    const name = options[field];
    if (name !== undefined && name !== podStoreName && !names.includes(name))
      throw new InvalidSpecError(
        `stores.${field}`,
        `${JSON.stringify(name)} is not one of the stores ${[podStoreName, ...names].join(', ')}`,
      );
  }
  if (options.saveOutputs !== undefined && chooseStores(options).outputs === podStoreName)
    throw new InvalidSpecError('stores.saveOutputs', 'has no effect: outputs stay in their pods (stores.outputs)');
  const { unavailableBudgetMs: budgetMs } = options;
  if (budgetMs !== undefined && !(Number.isSafeInteger(budgetMs) && budgetMs > 0))
    throw new InvalidSpecError('stores.unavailableBudgetMs', `${budgetMs} is not a positive number of milliseconds`);
}

/** Returns the names of all archive stores: those of the library's drivers have their own. */
function namesOf({ custom = [] }: StoresOptions): readonly string[] {
  return custom.map(({ name }) => name);
}

/** @throws InvalidSpecError */
function checkCustom(options: StoresOptions): void {
  const names = namesOf(options);
  for (const [index, { name }] of (options.custom ?? []).entries()) {
    const field = `stores.custom[${index}].name`;
    if (name === podStoreName) throw new InvalidSpecError(field, `${podStoreName} is the store of every worker`);
    if (!namePattern.test(name)) throw new InvalidSpecError(field, `does not match ${namePattern.source}`);
    if (names.indexOf(name) !== names.lastIndexOf(name))
      throw new InvalidSpecError(field, `${name} is the name of two stores`);
  }
}
