import { InvalidSpecError } from '../errors/caller.ts';
import { checkPvcStoreOptions } from './pvc/open-pvc-store.ts';
import { s3Settings } from './s3/s3-settings.ts';
import { defaultPvcStoreName, defaultS3StoreName, podStoreName } from './store-names.ts';
import type { SaveOutputs, StoresOptions } from './stores-options.ts';

/** The names of the stores of new content, and the terms of saves. */
export interface StoreChoice {
  readonly artifacts: string;
  readonly outputs: string;
  readonly caches: string;
  readonly saveOutputs: SaveOutputs;
  readonly unavailableBudgetMs: number;
}

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
  const { pvc, s3 } = options;
  if (pvc !== undefined) checkPvcStoreOptions('stores.pvc', pvc);
  if (s3 !== undefined) s3Settings(s3);
  checkNames(options);
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

/** Returns the names of all archive stores. */
function namesOf(options: StoresOptions): readonly string[] {
  return namedStores(options).map(({ name }) => name);
}

/** Returns the names of all archive stores, each with the field that has it. */
function namedStores({ pvc, s3, custom = [] }: StoresOptions): readonly { field: string; name: string }[] {
  return [
    ...(pvc === undefined ? [] : [{ field: 'stores.pvc.name', name: pvc.name ?? defaultPvcStoreName }]),
    ...(s3 === undefined ? [] : [{ field: 'stores.s3.name', name: s3.name ?? defaultS3StoreName }]),
    ...custom.map(({ name }, index) => ({ field: `stores.custom[${index}].name`, name })),
  ];
}

/** @throws InvalidSpecError */
function checkNames(options: StoresOptions): void {
  const seen = new Set<string>();
  for (const { field, name } of namedStores(options)) {
    if (name === podStoreName) throw new InvalidSpecError(field, `${podStoreName} is the store of every worker`);
    if (!namePattern.test(name)) throw new InvalidSpecError(field, `does not match ${namePattern.source}`);
    if (seen.has(name)) throw new InvalidSpecError(field, `${name} is the name of two stores`);
    seen.add(name);
  }
}
