/** The time limit of the pass of the reaper with which a command ends, in milliseconds. */
export const reapBudgetMs = 15_000;
