import { AgentFailure, type Json } from '../agent/agent-connection.ts';
import type { Fault } from './fault-control.ts';
import { type FaultRig, Lost, lostOr } from './fault-rig.ts';

/**
 * The outcome of an operation at the host: its RESULT, its ERROR, or none, since the connection
 * ended.
 */
export type Outcome =
  | { readonly kind: 'result'; readonly result: Json }
  | { readonly kind: 'error'; readonly failure: AgentFailure }
  | { readonly kind: 'lost' };

/** An operation under faults, and the guarantees that hold for each fault. */
export interface Scenario {
  readonly name: string;
  /** Runs without faults: the steps before the operation. */
  prepare(rig: FaultRig): Promise<void>;
  /** Runs the operation on a connection that `prepare` opened, with faults armed. */
  act(rig: FaultRig): Promise<Json>;
  /**
   * Throws if a guarantee is violated. Runs without faults, on the agent after the fault if it
   * still runs, and after a restart.
   */
  check(rig: FaultRig, reported: Outcome, fault: Fault): Promise<void>;
  /** Removes the resources of the scenario. */
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

/** Faults that a program has to handle without a visible effect. */
export function mustSucceed(fault: Fault): boolean {
  return fault.kind === 'cut' || fault.name.startsWith('EINTR');
}

export function requireThat(kept: boolean, text: string): void {
  if (!kept) throw new Error(`broken guarantee: ${text}`);
}
