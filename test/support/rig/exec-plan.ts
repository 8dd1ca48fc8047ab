import type { Damage } from './damage.ts';
import type { DirectionPlan } from './fault-line.ts';
import type { RigExec } from './rig-exec.ts';

/** Something that happens to an exec; the bytes that follow wait until it is over. */
export type Happening = (exec: RigExec) => void | Promise<void>;

export interface ExecDirectionPlan extends DirectionPlan<Happening> {
  /** Damage to the messages of this direction, the empty one that opens a channel not counted. */
  readonly messages?: Damage;
  /** A proxy on the way splits each message into fragments of at most so many bytes, as WebSocket allows. */
  readonly fragmentBytes?: number;
}

/** What becomes of one exec. An empty plan is a server that does everything as Kubernetes does. */
export interface ExecPlan {
  /** The answer is plain HTTP. */
  readonly refuse?: Refusal;
  /** What happens in the place of an answer: nothing more, or a reset. */
  readonly insteadOfAnswer?: (reset: () => void) => void | Promise<void>;
  /** The sub-protocol that is picked, whatever is offered; `''`: none. */
  readonly subprotocol?: string;
  readonly toPod?: ExecDirectionPlan;
  readonly fromPod?: ExecDirectionPlan;
  /** Pings are read and not answered. */
  readonly ignoresPings?: boolean;
  /** What comes on channel 3 in the place of the right status: as it is, in so many messages. */
  readonly status?: readonly (string | Buffer)[];
  /** How the connection ends once the status is sent; `'open'`: not at all. */
  readonly ending?: 'close' | 'reset' | 'open';
  /** Bytes on stderr before anything else. */
  readonly stderrBytes?: number;
}

export interface Refusal {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** TCP reset. */
export const reset: Happening = (exec) => exec.reset();
/** The TCP connection ends, without a word of WebSocket's. */
export const fin: Happening = (exec) => exec.fin();
/** A WebSocket close with this code. */
export function close(code: number): Happening {
  return (exec) => exec.close(code);
}
/** The command is killed, and its status told. */
export const kill: Happening = (exec) => exec.kill();
/** The command's stdin ends, though nobody ended it, and the connection stays. */
export const earlyEnd: Happening = (exec) => exec.endStdin();
/** The command's output ends, though there was more, and is called a success. */
export const earlySuccess: Happening = (exec) => exec.pretendSuccess();
/** Nothing goes on in this direction until the promise resolves; for ever without one. A stalled read loop answers no pings, and notices no loss. */
export function stall(until: Promise<void> = new Promise(() => undefined)): Happening {
  return () => until;
}

/** Lost after so many bytes of stdin have reached the command. */
export function cutToPod(bytes: number, by: Happening = reset): ExecPlan {
  return { toPod: { after: [[bytes, by]] } };
}

/** Lost after so many bytes of stdout have reached the client. */
export function cutFromPod(bytes: number, by: Happening = reset): ExecPlan {
  return { fromPod: { after: [[bytes, by]] } };
}
