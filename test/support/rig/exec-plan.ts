import type { Damage } from './damage.ts';
import type { DirectionPlan } from './fault-line.ts';
import type { RigExec } from './rig-exec.ts';

/** An event of an exec. Later bytes wait until it resolves. */
export type Happening = (exec: RigExec) => void | Promise<void>;

export interface ExecDirectionPlan extends DirectionPlan<Happening> {
  /** Damage to the messages of this direction, without the empty one that opens a channel. */
  readonly messages?: Damage;
  /** The largest fragment of a message: a proxy may split messages, as WebSocket permits. */
  readonly fragmentBytes?: number;
}

/** The faults of one exec. With an empty plan the server behaves as Kubernetes. */
export interface ExecPlan {
  /** Answers with plain HTTP. */
  readonly refuse?: Refusal;
  /** Called in place of an answer: it may wait, or reset the connection. */
  readonly insteadOfAnswer?: (reset: () => void) => void | Promise<void>;
  /** The selected sub-protocol, whatever is offered; `''` for none. */
  readonly subprotocol?: string;
  readonly toPod?: ExecDirectionPlan;
  readonly fromPod?: ExecDirectionPlan;
  /** Reads pings without answering them. */
  readonly ignoresPings?: boolean;
  /** The messages on channel 3 in place of the correct status. */
  readonly status?: readonly (string | Buffer)[];
  /** How the connection ends after the status; `'open'`: it stays open. */
  readonly ending?: 'close' | 'reset' | 'open';
  /** The number of bytes on stderr before any other output. */
  readonly stderrBytes?: number;
}

export interface Refusal {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Resets the TCP connection. */
export const reset: Happening = (exec) => exec.reset();
/** Ends the TCP connection without a WebSocket close. */
export const fin: Happening = (exec) => exec.fin();
/** Sends a WebSocket close with this code. */
export function close(code: number): Happening {
  return (exec) => exec.close(code);
}
/** Kills the command, and sends its status. */
export const kill: Happening = (exec) => exec.kill();
/** Ends the command's stdin early, and keeps the connection. */
export const earlyEnd: Happening = (exec) => exec.endStdin();
/** Ends the command's output early, and reports success. */
export const earlySuccess: Happening = (exec) => exec.pretendSuccess();
/**
 * Blocks this direction until the promise resolves, by default forever. A stalled read loop answers
 * no pings, and notices no loss.
 */
export function stall(until: Promise<void> = new Promise(() => undefined)): Happening {
  return () => until;
}

/** Cuts the connection after this many bytes of stdin have reached the command. */
export function cutToPod(bytes: number, by: Happening = reset): ExecPlan {
  return { toPod: { after: [[bytes, by]] } };
}

/** Cuts the connection after this many bytes of stdout were sent. */
export function cutFromPod(bytes: number, by: Happening = reset): ExecPlan {
  return { fromPod: { after: [[bytes, by]] } };
}
