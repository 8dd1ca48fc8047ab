import { AgentFailure, type Json } from '../agent-connection.ts';
import type { Fault } from './fault-control.ts';
import { type FaultRig, Lost, lostOr } from './fault-rig.ts';

/** What the host knows of an operation: its RESULT, its ERROR, or nothing, since the connection ended. */
export type Outcome =
  | { readonly kind: 'result'; readonly result: Json }
  | { readonly kind: 'error'; readonly failure: AgentFailure }
  | { readonly kind: 'lost' };

/** An operation under faults, and what holds at every one of them. */
export interface Scenario {
  readonly name: string;
  /** Without faults: everything before the operation. */
  prepare(rig: FaultRig): Promise<void>;
  /** The operation, from a connection that `prepare` made; faults are armed. */
  act(rig: FaultRig): Promise<Json>;
  /** Throws where a promise is broken. Runs without faults: on the agent as the fault left it, where it is still there, and after a restart. */
  check(rig: FaultRig, told: Outcome, fault: Fault): Promise<void>;
  /** Removes what it was made of. */
  close?(): Promise<void>;
}

export async function outcomeOf(operation: Promise<Json>): Promise<Outcome> {
  try {
    return { kind: 'result', result: await operation };
  } catch (error) {
    if (error instanceof AgentFailure) return { kind: 'error', failure: error };
    if (lostOr(error) instanceof Lost) return { kind: 'lost' };
    throw error;
  }
}

/** Faults that a program has to get over without a sign of it. */
export function mustSucceed(fault: Fault): boolean {
  return fault.kind === 'cut' || fault.name.startsWith('EINTR');
}

export function promise(kept: boolean, text: string): void {
  if (!kept) throw new Error(`broken promise: ${text}`);
}
