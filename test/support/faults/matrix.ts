/**
 * Runs a scenario with a fault at the first call, the second, and so on, until there is no such
 * call.
 */
import type { DynamicAgent } from './dynamic-agent.ts';
import { calls, type Fault } from './fault-control.ts';
import { FaultRig, Lost, lostOr } from './fault-rig.ts';
import { outcomeOf, type Scenario } from './scenario.ts';

const everything = calls.changes + calls.talks + calls.spawns;

export const faults: readonly Fault[] = [
  { name: 'crash', kind: 'crash', classes: everything },
  { name: 'kill', kind: 'kill', classes: everything },
  { name: 'ENOSPC', kind: 'error', errno: 28, classes: calls.allocates },
  { name: 'ENOSPC for a while', kind: 'error', errno: 28, classes: calls.allocates, persistent: true },
  { name: 'EIO', kind: 'error', errno: 5, classes: calls.changes + calls.reads + calls.spawns },
  { name: 'EMFILE', kind: 'error', errno: 24, classes: calls.descriptors },
  { name: 'ENOSYS', kind: 'error', errno: 38, classes: calls.optional },
  { name: 'EINTR', kind: 'error', errno: 4, classes: calls.blocks },
  { name: 'cut', kind: 'cut', classes: calls.cuttable },
];

/** The time after which a full disk has space again. */
const FULL_MS = 400;
const MOST = 2000;

export interface Tally {
  /** The calls at which the fault was injected. */
  places: number;
  readonly broken: string[];
}

/** Checks the agent after the fault; an agent that has ended is no violation. */
async function checkInPlace(rig: FaultRig, check: () => Promise<void>): Promise<void> {
  try {
    if (rig.serving) await check();
  } catch (error) {
    const lost = lostOr(error) instanceof Lost;
    if (!lost || !(await rig.ends())) throw error;
  }
}

async function runAt(built: DynamicAgent, scenario: Scenario, fault: Fault, at: number): Promise<string | undefined> {
  await using rig = await FaultRig.create(built);
  await scenario.prepare(rig);
  const { control } = rig;
  control.arm(fault, at);
  const timer = fault.persistent === true ? setTimeout(() => control.disarm(), FULL_MS) : undefined;
  let place = '';
  try {
    const outcome = await outcomeOf(scenario.act(rig));
    clearTimeout(timer);
    control.disarm();
    if (control.fired === 0) return undefined;
    place = control.firedAt;
    if (fault.kind !== 'crash') await checkInPlace(rig, () => scenario.check(rig, outcome, fault));
    await rig.restart();
    await scenario.check(rig, outcome, fault);
  } catch (error) {
    return `${scenario.name}, ${fault.name} at call ${at} (${place}): ${String(error)}\n${rig.stderr}`;
  } finally {
    clearTimeout(timer);
  }
  return '';
}

/** Every `step`-th call from `first` on, several at a time. */
export async function runMatrix(
  built: DynamicAgent,
  scenario: Scenario,
  fault: Fault,
  { first = 1, step = 1, atOnce = 3 } = {},
): Promise<Tally> {
  const tally: Tally = { places: 0, broken: [] };
  let next = first;
  let over = false;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (!over) {
        const at = next;
        next += step;
        const violation = await runAt(built, scenario, fault, at);
        if (violation === undefined) over = true;
        else tally.places++;
        if (violation !== undefined && violation !== '') tally.broken.push(violation);
        if (at > MOST) throw new Error(`${scenario.name}, ${fault.name}: more than ${MOST} calls`);
      }
    }),
  );
  return tally;
}
