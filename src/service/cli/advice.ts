const checkAll = 'to examine everything that the worker needs: kubernetes-worker doctor';

const adviceByCode: Readonly<Record<string, string>> = {
  KW_ERR_API_UNAVAILABLE: `check that the API server of the kubeconfig is running and reachable; ${checkAll}`,
  KW_ERR_CREDENTIALS_UNAVAILABLE:
    'set --worker-kubeconfig, KW_WORKER_KUBECONFIG or KUBECONFIG to a kubeconfig whose credentials work',
  KW_ERR_FORBIDDEN: `grant the permission (docs/rbac.md); ${checkAll}`,
  KW_ERR_MIGRATION_CHANGED: 'restore the schema from a backup, or use the version of the program that migrated it',
  KW_ERR_REPOSITORY_UNAVAILABLE:
    'check that the database of KW_DATABASE_URL or --database-url is running and reachable, then try again',
  KW_ERR_SCHEMA_TOO_NEW: 'use the version of the program that has migrated the database, or a newer one',
  KW_ERR_UNAUTHORIZED: 'renew the credentials of the kubeconfig',
  KW_ERR_WORKER_NOT_FOUND:
    'correct --worker-name, KW_WORKER_NAME or worker.name; `serve` and `run` register a name that is new',
};

/** Returns what an operator can do after an error of the library that has this code. */
export function adviceFor(code: string): string | undefined {
  return adviceByCode[code];
}
