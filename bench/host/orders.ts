/** What a host in a process of its own is asked for, one at a time. */
export type Order = OpenOrder | ScriptOrder | UpOrder | DownOrder | AcrossOrder | CloseOrder;

/** A worker with so many pods. The output is their names, a line each. */
interface OpenOrder {
  readonly kind: 'open';
  readonly kubeconfig: string;
  readonly image: string;
  readonly pods: number;
}

/** A shell script in a pod, in `benchDir`. The output is what it prints. */
interface ScriptOrder {
  readonly kind: 'script';
  readonly pod: number;
  readonly script: string;
}

/** An archive into a pod: of a file, or one of random bytes that is made as it is read. */
interface UpOrder {
  readonly kind: 'up';
  readonly to: Place;
  readonly source: { readonly file: string } | { readonly mebibytes: number };
}

/** An archive out of a pod: into a file, or to somebody who takes it slowly. */
interface DownOrder {
  readonly kind: 'down';
  readonly from: Place;
  readonly target: { readonly file: string } | { readonly mebibytesPerSecond: number };
}

interface AcrossOrder {
  readonly kind: 'across';
  readonly from: Place;
  readonly to: Place;
}

/** Lets go of the pods, and of the worker. */
interface CloseOrder {
  readonly kind: 'close';
}

/** A path from the volume of a pod, the folder `data` of `benchDir`. */
export interface Place {
  /** From 0. */
  readonly pod: number;
  readonly path: string;
}

/** What became of an order. */
export interface Outcome {
  /** Of the transfer, on both ways of its bytes. */
  readonly bytes: number;
  readonly ms: number;
  readonly output: string;
}

export type Answer =
  | { readonly kind: 'done'; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly reason: string };

/** Where the folder `data`, the volume, is in each pod, and beside it `peer`, on the same disk. */
export const benchDir = '/tmp/build/bench';
