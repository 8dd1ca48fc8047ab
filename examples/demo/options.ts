import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** A kubeconfig file. Without one the demo starts the embedded cluster. */
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
  /** The image of every pod. It needs `sh`, `find`, `wc`, `sort` and `tar`. */
  readonly image: string;
  /** A PostgreSQL URL. Without one the demo uses PGlite. */
  readonly database: string | undefined;
}

export const usage: string = `Usage: npm run demo -- [options]

Runs upload, task, put and download on this repository's own source, and checks every byte.

  --kubeconfig PATH   a real cluster (default: the embedded one, in this process)
  --namespace NS      the namespace on it (default: the kubeconfig's)
  --image IMAGE       the image of every pod (default: busybox:1)
  --database URL      a PostgreSQL database (default: PGlite, in this process)
  --help              this text
`;

/** Thrown for an invalid command line. Its message is for the user. */
export class UsageError extends Error {}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): DemoOptions | 'help' {
  const text = { type: 'string' } as const;
  const options = {
    kubeconfig: text,
    namespace: text,
    image: text,
    database: text,
    help: { type: 'boolean' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    if (values.help === true) return 'help';
    if (values.namespace !== undefined && values.kubeconfig === undefined)
      throw new UsageError('--namespace requires --kubeconfig');
    if (values.database !== undefined && !isDatabaseUrl(values.database)) {
      // The value may contain a password, so the message omits it.
      throw new UsageError('--database is not a URL of the form postgres://user:password@host:port/database');
    }
    return {
      kubeconfig: values.kubeconfig,
      namespace: values.namespace,
      image: values.image ?? 'busybox:1',
      database: values.database,
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function isDatabaseUrl(text: string): boolean {
  return /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text);
}
