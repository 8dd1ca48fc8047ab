import type { World } from '../system/world.ts';
import type { Step } from './steps.ts';

/** Performs a step of the environment. Returns `false` for a call of a host. */
export async function performFault(world: World, step: Step): Promise<boolean> {
  switch (step.do) {
    case 'fault':
      await world.release(step.pick, step.outcome);
      return true;
    case 'pass':
      await world.pass(step.ms);
      return true;
    case 'lag':
      world.trail.push(`the database's clock runs ahead by ${step.ms} ms`);
      world.database.advance(step.ms);
      return true;
    case 'set clock':
      world.trail.push(`the clock of ${world.replica(step.replica).id} is set by ${step.byMs} ms`);
      world.replica(step.replica).clock.step(step.byMs);
      return true;
    case 'crash':
      await world.crash(step.replica, (call) => ((step.lands >> (call % 10)) & 1) === 1);
      return true;
    case 'suspend':
      world.suspend(step.replica);
      return true;
    case 'resume':
      await world.resume(step.replica, step.answers);
      return true;
    case 'outage':
      world.setOutage(step.outage);
      return true;
    case 'delete a pod':
      deletePod(world, step.pick);
      return true;
    case 'end a command':
      endCommand(world, step.pick);
      return true;
    default:
      return false;
  }
}

/** Another client of the API deletes a pod. */
function deletePod({ pods, ledger, trail }: World, pick: number): void {
  const { existing } = pods;
  const pod = existing[pick % Math.max(1, existing.length)];
  if (pod === undefined) return;
  trail.push(`another client deletes pod ${pod.name}`);
  ledger.stolenPods.add(pod.uid);
  pods.delete(pod);
}

function endCommand(world: World, pick: number): void {
  const running = world.pods.existing.flatMap((pod) =>
    [...pod.processes.values()].filter(({ ended }) => !ended).map((process) => ({ process, pod })),
  );
  const found = running[pick % Math.max(1, running.length)];
  if (found === undefined) return;
  world.trail.push(`command ${found.process.id} in ${found.pod.name} ends`);
  world.end(found.pod, found.process);
}
