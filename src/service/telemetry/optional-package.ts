/** An optional package is not installed that the configuration needs. The message names it. */
export class MissingPackageError extends Error {
  readonly packageName: string;

  constructor(packageName: string, purpose: string, options?: ErrorOptions) {
    super(`${purpose} needs the package ${packageName}: install it with "npm install ${packageName}"`, options);
    this.name = 'MissingPackageError';
    this.packageName = packageName;
  }
}

/**
 * Loads an optional package.
 *
 * @throws MissingPackageError - the package is not installed
 */
export async function optionalPackage<T>(name: string, purpose: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (isNotFound(error)) throw new MissingPackageError(name, purpose, { cause: error });
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
}
