import type { AbortOptions } from './options.ts';

/**
 * Options of `Worker.check`.
 *
 * @public
 */
export interface CheckOptions extends AbortOptions {
  /**
   * Whether to start a pod: the check `pod-start` creates a pod without a command, waits until its
   * agent answers, and deletes it. It takes seconds, and pulls an image where the node has none.
   *
   * @defaultValue false
   */
  readonly startPod?: boolean | undefined;
  /**
   * Whether to examine the isolation of hermetic containers: the check `network-policy` creates the
   * library's `NetworkPolicy` if it is missing, starts an ordinary and a hermetic pod without a
   * command, and tries a connection from each. The reaper deletes the pods. It takes seconds, and
   * pulls an image where the node has none.
   *
   * @defaultValue false
   */
  readonly networkPolicy?: boolean | undefined;
  /**
   * Whether to probe the archive stores of the worker: the check `stores` reads and writes what each
   * store needs for that. The probe of a store on a claim starts its store pod if that does not run.
   *
   * @defaultValue false
   */
  readonly stores?: boolean | undefined;
  /**
   * Whether to look up the images of the options in their registries: the check `images` examines
   * `volumeImage` and the images of the image policy, with the pull secrets of the option `pods`. It
   * sends requests from the host program.
   *
   * @defaultValue false
   */
  readonly images?: boolean | undefined;
}

/**
 * The result of `Worker.check`.
 *
 * @public
 */
export interface CheckReport {
  /** Whether no check has failed. Warnings and skipped checks do not count. */
  readonly ok: boolean;
  /** One finding or more for each check, in the order of `CheckName`. */
  readonly findings: readonly CheckFinding[];
}

/**
 * What a check examines.
 *
 * - `api-server`: the API server answers, with its version.
 * - `permissions`: the credentials have each permission that the library uses.
 * - `pod-admission`: the namespace would accept a pod now. The API server applies quotas, limits,
 *   Pod Security and admission webhooks, but stores nothing.
 * - `database`: the database answers.
 * - `schema`: the schema of the database has the version of this library.
 * - `worker-state`: the worker is running. Only if it is not.
 * - `clocks`: the clocks of this host, of the API server and of the database agree.
 * - `pod-start`: a pod starts and its agent answers. Only with `CheckOptions.startPod`.
 * - `network-policy`: the cluster isolates hermetic containers. Only with
 *   `CheckOptions.networkPolicy`.
 * - `stores`: each archive store can be used. Only with `CheckOptions.stores`.
 * - `images`: the images of the options exist. Only with `CheckOptions.images`.
 *
 * @public
 */
export type CheckName =
  | 'api-server'
  | 'permissions'
  | 'pod-admission'
  | 'database'
  | 'schema'
  | 'worker-state'
  | 'clocks'
  | 'pod-start'
  | 'network-policy'
  | 'stores'
  | 'images';

/**
 * A result of one check.
 *
 * @public
 */
export interface CheckFinding {
  /** What was examined. */
  readonly check: CheckName;
  /**
   * `ok`: as required. `warning`: works, with a restriction. `failure`: calls of the worker will
   * fail. `skipped`: not examined, because an earlier check failed.
   */
  readonly outcome: 'ok' | 'warning' | 'failure' | 'skipped';
  /** The finding, in one sentence. Contains no secret. */
  readonly message: string;
  /** What an operator can do. `undefined` where nothing has to be done. */
  readonly advice: string | undefined;
  /** The error of the check, with its code. `undefined` if the check threw none. */
  readonly error: Error | undefined;
}
