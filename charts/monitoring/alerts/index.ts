import type { AlertGroup } from './alert.ts';
import { availability } from './availability.ts';
import { dependencies } from './dependencies.ts';
import { processAlerts } from './process.ts';
import { steps } from './steps.ts';
import { storage } from './storage.ts';
import { upkeep } from './upkeep.ts';

/** All alerts, by what they are about. */
export const alertGroups: readonly AlertGroup[] = [availability, upkeep, steps, storage, dependencies, processAlerts];
