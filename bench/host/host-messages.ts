import type { StoresOptions } from 'kubernetes-worker';

/** A request to a host in a separate process. A host executes one request at a time. */
export type HostRequest =
  | OpenRequest
  | ScriptRequest
  | UpRequest
  | DownRequest
  | AcrossRequest
  | StepsRequest
  | SaveRequest
  | LoadRequest
  | SettleRequest
  | CloseRequest;

/** Opens a worker with this number of pods. The output is their names, one on each line. */
interface OpenRequest {
  readonly kind: 'open';
  readonly kubeconfig: string;
  readonly image: string;
  readonly pods: number;
  /** @defaultValue content stays in pods */
  readonly stores?: StoresOptions | undefined;
}

/** Runs a shell script in a pod, in `benchDir`. The output is what the script prints. */
interface ScriptRequest {
  readonly kind: 'script';
  readonly pod: number;
  readonly script: string;
}

/** Streams an archive into a pod: from a file, or one of random bytes that the host generates. */
interface UpRequest {
  readonly kind: 'up';
  readonly to: Place;
  readonly source: { readonly file: string } | { readonly mebibytes: number };
}

/** Streams an archive out of a pod: into a file, or to a slow consumer. */
interface DownRequest {
  readonly kind: 'down';
  readonly from: Place;
  readonly target: { readonly file: string } | { readonly mebibytesPerSecond: number };
}

/** Streams an archive from one pod into another. */
interface AcrossRequest {
  readonly kind: 'across';
  readonly from: Place;
  readonly to: Place;
}

/**
 * Creates this number of containers at once, and runs a command in each. Then deletes them. The
 * output is a `StepsReport` as JSON.
 */
interface StepsRequest {
  readonly kind: 'steps';
  readonly count: number;
}

/** The cost of many containers at once. */
export interface StepsReport {
  /** From the first call to the first byte of each command, in order of size, in milliseconds. */
  readonly firstByteMs: readonly number[];
  /** The processor time of the host until the last command had ended. */
  readonly cpuMs: number;
  /** Requests to the API server, execs included, without those of the deletion. */
  readonly apiRequests: number;
  readonly execs: number;
  readonly watches: number;
  readonly residentMiB: number;
}

/** Runs a step with an output of random bytes. Resolves when the output is saved. */
interface SaveRequest {
  readonly kind: 'save';
  readonly mebibytes: number;
}

/** Runs the next step, which has the last saved output as its input. Then deletes both. */
interface LoadRequest {
  readonly kind: 'load';
  readonly mebibytes: number;
}

/** Frees the memory that is not in use. */
interface SettleRequest {
  readonly kind: 'settle';
}

/** Releases the pods and closes the worker. */
interface CloseRequest {
  readonly kind: 'close';
}

/** A path in the volume of a pod, the folder `data` of `benchDir`. */
export interface Place {
  /** The index of the pod, from 0. */
  readonly pod: number;
  readonly path: string;
}

export interface HostResult {
  /** The bytes of a transfer. */
  readonly bytes: number;
  readonly ms: number;
  readonly output: string;
}

export type HostResponse =
  | { readonly kind: 'done'; readonly outcome: HostResult }
  | { readonly kind: 'failed'; readonly reason: string };

/** The folder in each pod with the volume `data` and, on the same disk, the folder `peer`. */
export const benchDir = '/tmp/build/bench';
