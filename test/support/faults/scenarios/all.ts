import type { DynamicAgent } from '../dynamic-agent.ts';
import { FaultRig } from '../fault-rig.ts';
import type { Scenario } from '../scenario.ts';
import { archiveWriteScenario } from './archive-write.ts';
import { expectedTrees, receiveScenario } from './receive.ts';
import { crashedState, restartScenario } from './restart.ts';
import { resultScenario } from './result.ts';
import { startScenario } from './start.ts';

export interface LoadedScenario {
  readonly name: string;
  /** Runs the operation once without faults. */
  load(built: DynamicAgent): Promise<Scenario>;
}

export const scenarios: readonly LoadedScenario[] = [
  {
    name: 'receive',
    async load(built) {
      await using rig = await FaultRig.create(built);
      return receiveScenario(await expectedTrees(rig));
    },
  },
  { name: 'start', load: async () => startScenario() },
  { name: 'archive-write', load: async () => archiveWriteScenario() },
  { name: 'result', load: async () => resultScenario() },
  {
    name: 'restart',
    async load(built) {
      await using rig = await FaultRig.create(built);
      return restartScenario(await expectedTrees(rig), await crashedState(built));
    },
  },
];
